// Files of mail: dropped on any page, or chosen on the page of new mail.
import { on, one, post } from "./dom.js";
import { refreshRail } from "./going.js";
import { toast } from "./toast.js";

const zone = one("#drop-zone");
let depth = 0; // of the elements that files are dragged over

const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");

function show(depthNow) {
  depth = Math.max(depthNow, 0);
  if (zone) zone.hidden = depth === 0;
}

async function bring(files) {
  if (!files.length) return;
  const form = new FormData();
  form.set("project", document.body.dataset.project ?? "");
  for (const file of files) form.append("files", file);
  toast(files.length === 1 ? `Importing ${files[0].name}…` : `Importing ${files.length} files…`);
  try {
    toast((await post("/new/files", form)).said);
    refreshRail();
  } catch (error) {
    toast(error.message);
  }
}

addEventListener("dragenter", (event) => { if (carriesFiles(event)) { event.preventDefault(); show(depth + 1); } });
addEventListener("dragleave", (event) => { if (carriesFiles(event)) show(depth - 1); });
addEventListener("dragover", (event) => { if (carriesFiles(event)) event.preventDefault(); });
addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  show(0);
  bring([...event.dataTransfer.files]);
});
on("submit", "[data-bring]", (event, form) => {
  event.preventDefault();
  bring([...one('[type="file"]', form).files]).then(() => form.reset());
});
