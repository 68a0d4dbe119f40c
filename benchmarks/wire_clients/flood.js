// node flood.js send|receive URL ADDRESS COUNT CREDIT SIZE DURABLE, as flood.cpp;
// node flood.js idle URL ADDRESS COUNT: so many connections, each with a receiving link, until its input ends.
const fs = require('fs');
const rhea = require('rhea');
const [mode, url, address, ...numbers] = process.argv.slice(2);
const [count, credit, size, durable] = numbers.map(Number);
const where = new URL(url.replace('amqp', 'http'));
const options = {
  host: where.hostname, port: +where.port, reconnect: false,
  username: process.env.WIRE_USER, password: process.env.WIRE_PASSWORD, hostname: process.env.WIRE_BUS,
};
if (process.env.WIRE_TRUST) {
  options.transport = 'tls';
  options.ca = [fs.readFileSync(process.env.WIRE_TRUST)];
}
const now = () => (performance.timeOrigin + performance.now()) / 1000;
const container = rhea.create_container();
let began = 0, sent = 0, done = 0;
for (const name of ['connection_error', 'session_error', 'sender_error', 'receiver_error', 'rejected'])
  container.on(name, () => { console.error(name); process.exit(1); });
container.on('disconnected', () => {});
// RabbitMQ may still have something under way on a link that was closed: of no interest once all has come.
container.on('error', (error) => { if (done < count) throw error; });
const finished = () => { if (++done === count) { console.log('DONE', began, now()); return true; } };

if (mode === 'send') {
  const connection = container.connect(options);
  const body = rhea.message.data_section(Buffer.alloc(size, 'x'));
  const sender = connection.open_sender(address);
  const pump = () => {
    began = began || now();
    while (sent < count && sent - done < credit && sender.sendable()) { sender.send({ body, durable: !!durable }); sent++; }
  };
  container.on('sendable', pump);
  container.on('accepted', () => { if (finished()) connection.close(); else pump(); });
} else if (mode === 'receive') {
  const connection = container.connect(options);
  connection.open_receiver({ source: address, credit_window: credit });
  container.on('receiver_open', () => console.log('READY'));
  container.on('message', () => { began = began || now(); if (finished()) setTimeout(() => connection.close(), 20); });
} else {
  let open = 0;
  container.on('receiver_open', () => { if (++open === count) console.log('READY'); else container.connect(options).open_receiver(address); });
  container.connect(options).open_receiver(address);
  process.stdin.resume();
  process.stdin.on('end', () => process.exit(0));
}
