// The examples of mailpit-api (npm), and every other call it has, with only the address changed.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'

const [, , modules, baseURL, smtpPort] = process.argv
const { MailpitClient } = await import(`${modules}/mailpit-api/dist/index.mjs`)
const { createTransport } = createRequire(import.meta.url)(`${modules}/nodemailer`)

const mailpit = new MailpitClient(baseURL)

// README: Example
await mailpit.sendMessage({
  From: { Email: 'user@example.test' },
  To: [{ Email: 'rec@example.test' }],
  Subject: 'Test Email'
})
const messages = await mailpit.listMessages()
assert.equal(messages.messages[0].Subject, 'Test Email')
assert.equal(messages.messages_count, 1)
await mailpit.deleteMessages()
assert.equal((await mailpit.listMessages()).total, 0)

// README: Using with Playwright Tests; the mail comes by SMTP while the test waits
const transport = createTransport({ host: '127.0.0.1', port: Number(smtpPort), secure: false, tls: { rejectUnauthorized: false } })
setTimeout(() => transport.sendMail({
  from: 'no-reply@your-app.test',
  to: 'test@example.test',
  subject: 'Welcome to Our App',
  text: 'Hello',
  html: '<p>Hello <a href="https://example.test/">there</a><img src="cid:dot@example.test">',
  headers: { 'List-Unsubscribe': '<https://example.test/leave>' },
  attachments: [
    { filename: 'dot.gif', cid: 'dot@example.test', content: Buffer.from('R0lGODlhAQABAAAAACw=', 'base64') },
    { filename: 'note.txt', content: 'a note' }
  ]
}), 200)
const message = await mailpit.waitForMessage({ query: 'subject:Welcome to Our App' }, { interval: 50 })
assert.equal(message.To[0].Address, 'test@example.test')
assert.equal(message.From.Address, 'no-reply@your-app.test')
assert.equal(message.Subject, 'Welcome to Our App')

// All else that the client can ask
assert.equal((await mailpit.waitForMessages({ query: 'to:test' })).messages_count, 1)
assert.ok((await mailpit.getInfo()).RuntimeStats.Uptime >= 0)
assert.equal((await mailpit.getConfiguration()).MessageRelay.Enabled, false)
assert.equal((await mailpit.getMessageSummary()).ID, message.ID)
assert.deepEqual((await mailpit.getMessageHeaders()).Subject, ['Welcome to Our App'])
assert.match(await mailpit.getMessageSource(), /Subject: Welcome to Our App/)
const note = await mailpit.getMessageAttachment(message.ID, message.Attachments[0].PartID)
assert.equal(await note.text(), 'a note')
const dot = await mailpit.getAttachmentThumbnail(message.ID, message.Inline[0].PartID)
assert.match(dot.type, /^image\//)
assert.match(await mailpit.renderMessageHTML(), /Hello/)
assert.match(await mailpit.renderMessageText(message.ID), /Hello/)
assert.ok(Array.isArray((await mailpit.htmlCheck()).Warnings))
await assert.rejects(mailpit.releaseMessage(message.ID, { To: ['real@example.test'] }), /400/)
await assert.rejects(mailpit.getMessageSummary('nope'), /404/)
await assert.rejects(mailpit.searchMessages({ query: '' }), /400/)

assert.equal(await mailpit.setReadStatus({ IDs: [message.ID], Read: false }), 'ok')
assert.equal((await mailpit.searchMessages({ query: 'is:unread' })).messages_count, 1)
assert.equal(await mailpit.setReadStatus({ Search: 'subject:Welcome', Read: true }, { tz: 'Europe/Berlin' }), 'ok')
assert.equal((await mailpit.searchMessages({ query: 'is:unread' })).messages_count, 0)

assert.equal(await mailpit.setTags({ IDs: [message.ID], Tags: ['Tag 1', 'Tag 2'] }), 'ok')
assert.deepEqual(await mailpit.getTags(), ['Tag 1', 'Tag 2'])
assert.equal(await mailpit.renameTag('Tag 1', 'Tag 3'), 'ok')
assert.equal(await mailpit.deleteTag('Tag 2'), 'ok')
assert.deepEqual(await mailpit.getTags(), ['Tag 3'])

const triggers = { Sender: { ErrorCode: 451, Probability: 5 } }
assert.equal((await mailpit.setChaosTriggers(triggers)).Sender.Probability, 5)
assert.equal((await mailpit.getChaosTriggers()).Sender.ErrorCode, 451)
assert.equal((await mailpit.setChaosTriggers()).Sender.Probability, 0)

assert.equal(await mailpit.deleteMessagesBySearch({ query: 'tag:"Tag 3"' }), 'ok')
assert.equal((await mailpit.listMessages()).total, 0)
console.log('ok')
