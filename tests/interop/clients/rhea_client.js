// rhea, the AMQP client of JavaScript. Without a user it begins with the bare AMQP header.
const fs = require('fs');
const rhea = require('rhea');
const [host, port, action, address, ...rest] = process.argv.slice(2);
const environment = process.env;

const options = { host, port: +port, reconnect: false };
if (environment.WIRE_TRUST) {
  options.transport = 'tls';
  options.servername = host;
  options.ca = [fs.readFileSync(environment.WIRE_TRUST)];
}
if (environment.WIRE_KEY) {
  options.key = options.cert = fs.readFileSync(environment.WIRE_KEY);
  options.enable_sasl_external = true;
}
if (environment.WIRE_USER) {
  options.username = environment.WIRE_USER;
  options.password = environment.WIRE_PASSWORD;
}
if (environment.WIRE_BUS) options.hostname = environment.WIRE_BUS;

const say = (...words) => console.log(...words);
const refused = (error) => {
  say('refused', error ? `${error.condition || error.name}: ${error.description || error.message}` : 'without a word');
  process.exit(3);
};
const container = rhea.create_container(environment.WIRE_CLIENT_ID ? { id: environment.WIRE_CLIENT_ID } : {});
for (const name of ['connection_error', 'session_error', 'sender_error', 'receiver_error', 'error'])
  container.on(name, (context) => refused((context.sender || context.receiver || context.session || context.connection || {}).error || context.error || context));
container.on('rejected', (context) => refused(context.delivery.remote_state.error));
container.on('disconnected', (context) => { if (context.error) refused(context.error); });

const connection = container.connect(options);
const selecting = (selector) => (selector ? rhea.filter.selector(selector) : undefined);
let done = 0;
const once = (count) => { if (++done === count) connection.close(); };

if (action === 'send' || action === 'relay') {
  let sent = 0;
  connection.open_sender(action === 'send' ? address : { target: {} });
  container.on('sendable', (context) => {
    while (sent < rest.length && context.sender.sendable())
      context.sender.send({ to: address, body: rest[sent++], durable: true });
  });
  container.on('accepted', () => { say('accepted'); once(rest.length); });
} else if (action === 'receive') {
  const receiver = connection.open_receiver({
    source: { address, filter: selecting(rest[1]) }, credit_window: 0, autoaccept: true });
  receiver.add_credit(+rest[0]);
  container.on('message', (context) => {
    say('message', context.message.body);
    if (++done === +rest[0]) setImmediate(() => connection.close());
  });
} else if (action === 'browse') {
  const receiver = connection.open_receiver({
    source: { address, distribution_mode: 'copy', filter: selecting(rest[0]) }, credit_window: 0 });
  container.on('receiver_open', () => { receiver.drain = true; receiver.add_credit(100); });
  container.on('message', (context) => say('message', context.message.body));
  container.on('receiver_drained', () => { say('end'); connection.close(); });
} else if (action === 'request') {
  connection.open_receiver({ source: { dynamic: true } });
  container.on('receiver_open', (context) => {
    const reply_to = context.receiver.source.address;
    const sender = connection.open_sender(address);
    sender.once('sendable', () => sender.send({ body: rest[0], reply_to, message_id: 'question-1', correlation_id: '1' }));
  });
  container.on('message', (context) => {
    // Some answer with the request's correlation id, some with its message id.
    if (!['1', 'question-1'].includes(context.message.correlation_id)) throw new Error('an answer to something else');
    const { body } = context.message;
    say('message', typeof body === 'object' ? JSON.stringify(body) : body);
    connection.close();
  });
} else if (action === 'respond') {
  const sender = connection.open_sender({ target: {} });
  const receiver = connection.open_receiver({ source: address, credit_window: 0 });
  container.on('receiver_open', () => { receiver.add_credit(+rest[0]); say('ready'); });
  container.on('message', (context) => {
    const { body, reply_to, correlation_id } = context.message;
    say('message', body);
    sender.send({ to: reply_to, body: body.toUpperCase(), correlation_id });
  });
  container.on('accepted', () => once(+rest[0]));
} else if (action === 'subscribe' || action === 'share' || action === 'unsubscribe') {
  const shared = action === 'share';
  const [name, count] = [rest[0], action === 'unsubscribe' ? 0 : +rest[1]];
  const receiver = connection.open_receiver({
    name: shared ? `${name}|global` : name, credit_window: 0, autoaccept: true,
    source: { address, durable: 2, expiry_policy: 'never', capabilities: shared ? ['shared', 'global'] : [], filter: selecting(rest[2]) } });
  // Detached it is kept, closed it is deleted.
  const leave = () => { if (action === 'unsubscribe') receiver.close(); else receiver.detach(); };
  container.on('receiver_open', () => { say('subscribed'); if (count) receiver.add_credit(count); else leave(); });
  container.on('message', (context) => {
    say('message', context.message.body);
    if (++done === count) setImmediate(leave);
  });
  container.on('receiver_close', () => connection.close());
  container.on('receiver_detach', () => connection.close());
} else if (action === 'delay') {
  connection.open_sender(address);
  container.once('sendable', (context) => context.sender.send({
    body: rest[1], durable: true, message_annotations: { 'x-opt-delivery-delay': rhea.types.wrap_long(+rest[0]) } }));
  container.on('accepted', () => { say('accepted'); connection.close(); });
} else {
  console.error(`this client has no ${action}`);
  process.exit(1);
}
