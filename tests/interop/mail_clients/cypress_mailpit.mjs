// The commands of cypress-mailpit (npm) and the expectations of its README. Cypress itself is a
// browser of 500 MB; what the commands use of it (requests, waiting, registration) stands here.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'

const [, , modules, baseURL] = process.argv

const cy = {
  wrap: async value => value,
  wait: milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds)),
  env: async () => ({}),
  request: async ({ method, url, qs, body }) => {
    const address = new URL(url)
    for (const [name, value] of Object.entries(qs ?? {})) address.searchParams.set(name, value)
    const response = await fetch(address, {
      method,
      headers: body ? { 'Content-Type': 'application/json' } : {},
      body: body && JSON.stringify(body)
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${response.status} ${text}`)
    const isJson = (response.headers.get('content-type') ?? '').includes('json')
    return { status: response.status, body: isJson ? JSON.parse(text) : text }
  }
}
globalThis.cy = cy
globalThis.Cypress = {
  expose: name => (name === 'MAILPIT_URL' ? baseURL : undefined),
  config: name => (name === 'defaultCommandTimeout' ? 4000 : undefined),
  Commands: { add: (name, options, run) => { cy[name] = run } }
}

const source = await readFile(`${modules}/cypress-mailpit/dist/src/MailpitCommands.js`, 'utf8')
const { MailpitCommands } = await import(`data:text/javascript,${encodeURIComponent(source)}`)
const commands = new MailpitCommands()
for (const name of [...MailpitCommands.parentCypressCommands, ...MailpitCommands.childCypressCommands]) {
  Cypress.Commands.add(name, {}, commands[name].bind(commands))
}

const numberOfEmails = 3
await cy.mailpitDeleteAllEmails()
for (let number = 0; number < numberOfEmails; number++) await cy.mailpitSendMail({ subject: `Test ${number}`, textBody: 'Test mail' })

const all = await cy.mailpitGetAllMails()
assert.equal(all.messages.length, numberOfEmails)
for (const name of ['messages', 'tags', 'start', 'unread']) assert.ok(name in all)
for (const name of ['messages_count', 'total', 'count']) assert.equal(all[name], numberOfEmails)

const found = await cy.mailpitSearchEmails('Test')
assert.match(found.messages[0].Snippet, /Test/)
assert.equal(found.messages_count, numberOfEmails)
assert.equal((await cy.mailpitGetEmailsBySubject('Test 1')).messages_count, 1)
assert.equal((await cy.mailpitGetEmailsByTo('jane@example.com')).messages_count, numberOfEmails)
await cy.mailpitHasEmailsBySearch('subject:Test')
await cy.mailpitHasEmailsBySubject('Test 2')
await cy.mailpitHasEmailsByTo('jane@example.com')
await cy.mailpitNotHasEmailsBySearch('subject:Nothing')
await cy.mailpitNotHasEmailsBySubject('Nothing')
await cy.mailpitNotHasEmailsByTo('nobody@example.com')
await assert.rejects(cy.mailpitHasEmailsBySubject('Never', 0, 50, { timeout: 100, interval: 20 }), /Timed out/)

const sent = await cy.mailpitSendMail({ attachments: [{ Content: 'aGk=', Filename: 'hi.txt', ContentType: 'text/plain' }] })
const mail = await cy.mailpitGetMail(sent.ID)
assert.equal(await cy.mailpitGetSubject(mail), 'Hello Mailpit')
assert.equal(await cy.mailpitGetFromAddress(mail), 'from@example.com')
assert.deepEqual(await cy.mailpitGetRecipientAddress(mail), ['jane@example.com'])
assert.deepEqual(await cy.mailpitGetAttachments(mail), ['hi.txt'])
assert.match(await cy.mailpitGetMailHTMlBody(mail), /<p>hello from mailpit<\/p>/)
assert.match(await cy.mailpitGetMailTextBody(mail), /hello from mailpit/)

await cy.mailpitSetAllEmailStatusAsRead()
assert.equal((await cy.mailpitGetAllMails()).unread, 0)
await cy.mailpitSetStatusAsUnRead(mail)
assert.equal((await cy.mailpitGetAllMails()).unread, 1)
await cy.mailpitSetStatusAsRead([mail])
await cy.mailpitSetAllEmailStatusAsUnRead()
assert.equal((await cy.mailpitGetAllMails()).unread, numberOfEmails + 1)
await cy.mailpitDeleteEmailsBySearch('subject:Hello')
assert.equal((await cy.mailpitGetAllMails()).total, numberOfEmails)
console.log('ok')
