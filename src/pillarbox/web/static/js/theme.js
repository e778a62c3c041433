// Runs before the first paint: what was chosen is there at once, without a flash.
for (const [name, key] of [["theme", "pillarbox.theme"], ["density", "pillarbox.density"]]) {
  const value = localStorage.getItem(key);
  if (value) document.documentElement.dataset[name] = value;
}
