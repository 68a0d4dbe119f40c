import jakarta.jms.CompletionListener;
import jakarta.jms.Connection;
import jakarta.jms.DeliveryMode;
import jakarta.jms.Destination;
import jakarta.jms.JMSException;
import jakarta.jms.Message;
import jakarta.jms.MessageConsumer;
import jakarta.jms.MessageProducer;
import jakarta.jms.Queue;
import jakarta.jms.QueueBrowser;
import jakarta.jms.Session;
import jakarta.jms.TextMessage;
import jakarta.jms.Topic;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Enumeration;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.apache.qpid.jms.JmsConnectionExtensions;
import org.apache.qpid.jms.JmsConnectionFactory;

/**
 * Sends to the bus, receives, browses, asks and answers: the JMS API, over AMQP 1.0. {@code README.md} beside the build file tells the
 * arguments.
 */
public final class JmsClient {
    private static final Map<String, String> ENVIRONMENT = System.getenv();
    private static final long PATIENCE = 20_000;

    private final Session session;
    private final String address;
    private final String[] rest;

    private JmsClient(Session session, String address, String[] rest) {
        this.session = session;
        this.address = address;
        this.rest = rest;
    }

    public static void main(String[] words) throws Exception {
        if (words.length < 4) {
            System.err.println("usage: JmsClient HOST PORT ACTION ADDRESS [ARGUMENT ...]");
            System.exit(1);
        }
        String[] rest = new String[words.length - 4];
        System.arraycopy(words, 4, rest, 0, rest.length);
        String action = words[2];
        try (Connection connection = connect(words[0], words[1])) {
            if (ENVIRONMENT.containsKey("WIRE_CLIENT_ID")) {
                connection.setClientID(ENVIRONMENT.get("WIRE_CLIENT_ID"));
            }
            connection.start();
            Session session = connection.createSession(mode(action));
            JmsClient client = new JmsClient(session, words[3], rest);
            if (action.equals("quiet")) {
                client.quiet(words[0], words[1]);
            } else {
                client.act(action);
            }
        } catch (JMSException refused) {
            say("refused " + refused.getClass().getSimpleName() + ": " + refused.getMessage());
            System.exit(3);
        }
    }

    private static int mode(String action) {
        return switch (action) {
            case "transact" -> Session.SESSION_TRANSACTED;
            case "recover" -> Session.CLIENT_ACKNOWLEDGE;
            case "lazily" -> Session.DUPS_OK_ACKNOWLEDGE;
            default -> Session.AUTO_ACKNOWLEDGE;
        };
    }

    private static Connection connect(String host, String port) throws JMSException {
        StringBuilder url = new StringBuilder();
        String trust = ENVIRONMENT.get("WIRE_TRUST_STORE");
        boolean follows = ENVIRONMENT.containsKey("WIRE_FOLLOW");
        url.append(follows ? "failover:(" : "").append(trust == null ? "amqp://" : "amqps://").append(host).append(':').append(port);
        // Only this way the client goes where a server sends it.
        url.append(follows ? ")" : "");
        url.append("?jms.connectTimeout=20000&jms.requestTimeout=20000&jms.sendTimeout=20000");
        if (follows) {
            append(url, "failover.maxReconnectAttempts", "5");
        }
        if (trust != null) {
            append(url, "transport.trustStoreLocation", trust);
            append(url, "transport.trustStorePassword", ENVIRONMENT.get("WIRE_STORE_PASSWORD"));
        }
        if (ENVIRONMENT.containsKey("WIRE_KEY_STORE")) {
            append(url, "transport.keyStoreLocation", ENVIRONMENT.get("WIRE_KEY_STORE"));
            append(url, "transport.keyStorePassword", ENVIRONMENT.get("WIRE_STORE_PASSWORD"));
        }
        if (ENVIRONMENT.containsKey("WIRE_MECHANISM")) {
            append(url, "amqp.saslMechanisms", ENVIRONMENT.get("WIRE_MECHANISM"));
        }
        if (ENVIRONMENT.containsKey("WIRE_BUS")) {
            append(url, "amqp.vhost", ENVIRONMENT.get("WIRE_BUS"));
        }
        JmsConnectionFactory factory = new JmsConnectionFactory(url.toString());
        if (ENVIRONMENT.containsKey("WIRE_PREFIX")) {
            Map<String, Object> said = Map.of("temp-prefix", ENVIRONMENT.get("WIRE_PREFIX"));
            factory.setExtension(JmsConnectionExtensions.AMQP_OPEN_PROPERTIES.toString(), (connection, uri) -> said);
        }
        String user = ENVIRONMENT.get("WIRE_USER");
        return user == null ? factory.createConnection() : factory.createConnection(user, ENVIRONMENT.get("WIRE_PASSWORD"));
    }

    private static void append(StringBuilder url, String name, String value) {
        url.append('&').append(name).append('=').append(URLEncoder.encode(value, StandardCharsets.UTF_8));
    }

    private void act(String action) throws JMSException {
        switch (action) {
            case "send" -> send(session.createQueue(address), true);
            case "relay" -> send(session.createQueue(address), false);
            case "complete" -> complete();
            case "receive", "lazily" -> receive();
            case "recover" -> recover();
            case "subscribe" -> subscribe(session.createDurableConsumer(topic(), rest[0], selector(), false));
            case "share" -> subscribe(session.createSharedDurableConsumer(topic(), rest[0], selector()));
            case "unsubscribe" -> session.unsubscribe(rest[0]);
            case "delay" -> delay();
            case "browse" -> browse();
            case "request" -> request(session.createTemporaryQueue());
            case "request-by-topic" -> request(session.createTemporaryTopic());
            case "respond" -> respond();
            case "transact" -> transact();
            default -> throw new IllegalArgumentException("this client has no " + action);
        }
    }

    private void send(Queue queue, boolean named) throws JMSException {
        MessageProducer producer = session.createProducer(named ? queue : null);
        for (String text : rest) {
            Message message = session.createTextMessage(text);
            if (named) {
                producer.send(message);
            } else {
                producer.send(queue, message);
            }
            say("accepted");
        }
    }

    /** Sends without waiting, and hears of each message what became of it; to close the producer is to wait for all. */
    private void complete() throws JMSException {
        Queue queue = session.createQueue(address);
        MessageProducer producer = session.createProducer(null);
        for (String text : rest) {
            producer.send(queue, session.createTextMessage(text), new CompletionListener() {
                @Override
                public void onCompletion(Message message) {
                    say("completed " + text);
                }

                @Override
                public void onException(Message message, Exception refused) {
                    say("failed " + text + ": " + refused.getClass().getSimpleName() + ": " + refused.getMessage());
                }
            });
        }
        producer.close();
        say("closed");
    }

    /** Subscribes to all but what it publishes itself, publishes one text, and has another connection publish another. */
    private void quiet(String host, String port) throws JMSException {
        MessageConsumer consumer = session.createConsumer(topic(), null, true);
        session.createProducer(topic()).send(session.createTextMessage(rest[0]));
        try (Connection other = connect(host, port)) {
            Session session = other.createSession();
            session.createProducer(session.createTopic(address)).send(session.createTextMessage(rest[1]));
        }
        say("message " + text(consumer.receive(PATIENCE)));
    }

    private void receive() throws JMSException {
        MessageConsumer consumer = session.createConsumer(session.createQueue(address), rest.length > 1 ? rest[1] : null);
        for (int left = Integer.parseInt(rest[0]); left > 0; left--) {
            say("message " + text(consumer.receive(PATIENCE)));
        }
    }

    /** Takes one, gives it back unacknowledged, takes it again. */
    private void recover() throws JMSException {
        MessageConsumer consumer = session.createConsumer(session.createQueue(address));
        say("message " + text(consumer.receive(PATIENCE)));
        session.recover();
        Message again = consumer.receive(PATIENCE);
        say("message " + text(again) + (again.getJMSRedelivered() ? ", again " : ", new ") + again.getIntProperty("JMSXDeliveryCount"));
        again.acknowledge();
    }

    private Topic topic() throws JMSException {
        return session.createTopic(address);
    }

    private String selector() {
        return rest.length > 2 ? rest[2] : null;
    }

    /** A closed consumer leaves its durable subscription behind. */
    private void subscribe(MessageConsumer consumer) throws JMSException {
        say("subscribed");
        for (int left = Integer.parseInt(rest[1]); left > 0; left--) {
            say("message " + text(consumer.receive(PATIENCE)));
        }
        consumer.close();
    }

    private void delay() throws JMSException {
        MessageProducer producer = session.createProducer(session.createQueue(address));
        producer.setDeliveryDelay(Long.parseLong(rest[0]));
        producer.send(session.createTextMessage(rest[1]));
        say("accepted");
    }

    private void browse() throws JMSException {
        QueueBrowser browser = session.createBrowser(session.createQueue(address), rest.length > 0 ? rest[0] : null);
        for (Enumeration<?> messages = browser.getEnumeration(); messages.hasMoreElements(); ) {
            say("message " + text((Message) messages.nextElement()));
        }
        say("end");
    }

    private void request(Destination replies) throws JMSException {
        MessageConsumer consumer = session.createConsumer(replies);
        Message request = session.createTextMessage(rest[0]);
        request.setJMSReplyTo(replies);
        request.setJMSCorrelationID("1");
        session.createProducer(session.createQueue(address)).send(request);
        Message reply = consumer.receive(PATIENCE);
        say("message " + text(reply));
        // Some answer with the request's correlation id, some with its message id.
        if (!Set.of("1", request.getJMSMessageID()).contains(reply.getJMSCorrelationID())) {
            throw new IllegalStateException("an answer to something else");
        }
    }

    private void respond() throws JMSException {
        MessageConsumer consumer = session.createConsumer(session.createQueue(address));
        MessageProducer producer = session.createProducer(null);
        producer.setDeliveryMode(DeliveryMode.NON_PERSISTENT);
        say("ready");
        for (int left = Integer.parseInt(rest[0]); left > 0; left--) {
            Message request = consumer.receive(PATIENCE);
            String text = text(request);
            Destination asker = request.getJMSReplyTo();
            Message reply = session.createTextMessage(text.toUpperCase(Locale.ROOT));
            reply.setJMSCorrelationID(request.getJMSCorrelationID());
            producer.send(asker, reply);
            say("message " + text);
        }
    }

    private void transact() throws JMSException {
        MessageProducer producer = session.createProducer(session.createQueue(address));
        for (int each = 1; each < rest.length; each++) {
            producer.send(session.createTextMessage(rest[each]));
        }
        if (rest[0].equals("commit")) {
            session.commit();
            say("committed");
        } else {
            session.rollback();
            say("rolled back");
        }
    }

    private static String text(Message message) throws JMSException {
        if (message == null) {
            throw new JMSException("nothing came");
        }
        return message instanceof TextMessage text ? text.getText() : String.valueOf(message.getBody(Object.class));
    }

    private static void say(String words) {
        System.out.println(words.replace('\n', ' '));
    }
}
