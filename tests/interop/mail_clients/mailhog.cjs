// The examples of mailhog and of mailhog-awesome (npm), with only the address changed.
const assert = require('node:assert/strict')

const [, , modules, baseURL, smtpPort] = process.argv
const { hostname, port } = new URL(baseURL)
const mailhog = require(`${modules}/mailhog`)({ host: hostname, port: Number(port) })
const { MailhogClient } = require(`${modules}/mailhog-awesome`)
const { createTransport } = require(`${modules}/nodemailer`)
const transport = createTransport({ host: hostname, port: Number(smtpPort), secure: false, tls: { rejectUnauthorized: false } })

async function library () {
  await mailhog.deleteAll()
  for (const name of ['first', 'second']) {
    await transport.sendMail({
      from: '"Ánn" <ann@example.com>', to: `${name}@example.com`, subject: `Grüße-${name}`,
      text: `Text of ${name} with an ümlaut`, html: `<b>HTML of ${name}</b>`,
      attachments: [{ filename: `${name}.txt`, content: 'attached' }]
    })
  }
  const result = await mailhog.messages(0, 10)
  assert.equal(result.total, 2)
  const [item] = result.items
  assert.equal(item.subject, 'Grüße-second')
  assert.match(item.from, /Ánn/)
  assert.match(item.to, /second@example\.com/)
  assert.ok(item.date instanceof Date && item.deliveryDate instanceof Date)

  assert.equal((await mailhog.search('first@example.com', 'to')).count, 1)
  assert.equal((await mailhog.latestFrom('ann@example.com')).ID, item.ID)
  assert.equal((await mailhog.latestTo('first@example.com')).subject, 'Grüße-first')
  assert.equal((await mailhog.latestContaining('second')).ID, item.ID)
  await mailhog.deleteMessage(item.ID)
  assert.equal((await mailhog.messages()).total, 1)
  await mailhog.deleteAll()
  assert.equal((await mailhog.messages()).total, 0)
}

async function simple () { // text, html and attachments of parts that are not nested
  await transport.sendMail({ from: 'a@example.com', to: 'b@example.com', subject: 'Plain', text: 'Just ünicode text' })
  assert.equal((await mailhog.latestTo('b@example.com')).text.trim(), 'Just ünicode text')
  await transport.sendMail({ from: 'a@example.com', to: 'c@example.com', subject: 'Both', text: 'T', html: '<i>H</i>' })
  assert.equal((await mailhog.latestTo('c@example.com')).html.trim(), '<i>H</i>')
  await transport.sendMail({ from: 'a@example.com', to: 'd@example.com', subject: 'File', text: 'T', attachments: [{ filename: 'x.txt', content: 'X' }] })
  const [file] = (await mailhog.latestTo('d@example.com')).attachments
  assert.deepEqual([file.name, file.type.split(';')[0]], ['x.txt', 'text/plain'])
}

async function awesome () {
  const client = new MailhogClient({ host: hostname, port: Number(port) })
  const inbox = 'user1@your-domain.com'
  await client.clearInbox(inbox)
  transport.sendMail({
    from: 'system@your-domain.com', to: inbox, subject: 'Reset your password',
    html: 'Please follow the link to reset your password.'
  })
  const email = await client.getLastEmail({ from: 'system@your-domain.com', to: inbox, subject: 'Reset your password' })
  assert.ok(email)
  assert.equal((await client.getInbox(inbox)).length, 1)
  await client.clearInbox(inbox)
  assert.equal((await client.getInbox(inbox)).length, 0)
}

library().then(simple).then(awesome).then(() => { console.log('ok'); process.exit(0) })
