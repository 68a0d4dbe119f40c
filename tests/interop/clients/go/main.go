// go-amqp, the AMQP client of Go. The README beside this folder tells the arguments; it has no way to browse, and no
// transactions.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/go-amqp"
)

const patience = 20 * time.Second

func main() {
	host, port, action, address, rest := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5:]
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	if err := run(ctx, host, port, action, address, rest); err != nil {
		fmt.Println("refused", strings.ReplaceAll(reason(err), "\n", " "))
		os.Exit(3)
	}
}

func run(ctx context.Context, host, port, action, address string, rest []string) error {
	connection, err := connect(ctx, host, port)
	if err != nil {
		return err
	}
	defer connection.Close()
	session, err := connection.NewSession(ctx, nil)
	if err != nil {
		return err
	}
	switch action {
	case "send":
		return send(ctx, session, address, nil, rest)
	case "relay":
		return send(ctx, session, "", &address, rest)
	case "receive":
		return receive(ctx, session, address, rest)
	case "request":
		return request(ctx, session, address, rest[0])
	case "respond":
		return respond(ctx, session, address, number(rest[0]))
	}
	fmt.Fprintln(os.Stderr, "this client has no", action)
	os.Exit(1)
	return nil
}

func connect(ctx context.Context, host, port string) (*amqp.Conn, error) {
	options, scheme := &amqp.ConnOptions{HostName: os.Getenv("WIRE_BUS")}, "amqp"
	if user, known := os.LookupEnv("WIRE_USER"); known {
		options.SASLType = amqp.SASLTypePlain(user, os.Getenv("WIRE_PASSWORD"))
	}
	if trust, known := os.LookupEnv("WIRE_TRUST"); known {
		signers, err := os.ReadFile(trust)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(signers)
		options.TLSConfig, scheme = &tls.Config{RootCAs: pool, ServerName: host, MinVersion: tls.VersionTLS12}, "amqps"
	}
	if key, known := os.LookupEnv("WIRE_KEY"); known {
		pair, err := tls.LoadX509KeyPair(key, key)
		if err != nil {
			return nil, err
		}
		options.TLSConfig.Certificates = []tls.Certificate{pair}
		if options.SASLType == nil {
			options.SASLType = amqp.SASLTypeExternal("")
		}
	}
	return amqp.Dial(ctx, scheme+"://"+net.JoinHostPort(host, port), options)
}

// send sends each text over one link; with a destination for each message where the link has none.
func send(ctx context.Context, session *amqp.Session, target string, to *string, texts []string) error {
	sender, err := session.NewSender(ctx, target, nil)
	if err != nil {
		return err
	}
	for _, text := range texts {
		message := &amqp.Message{Header: &amqp.MessageHeader{Durable: true}, Value: text}
		if to != nil {
			message.Properties = &amqp.MessageProperties{To: to}
		}
		if err := sender.Send(ctx, message, nil); err != nil {
			return err
		}
		fmt.Println("accepted")
	}
	return nil
}

func receive(ctx context.Context, session *amqp.Session, address string, rest []string) error {
	options := &amqp.ReceiverOptions{Credit: -1}
	if len(rest) > 1 {
		options.Filters = []amqp.LinkFilter{amqp.NewSelectorFilter(rest[1])}
	}
	receiver, err := session.NewReceiver(ctx, address, options)
	if err != nil {
		return err
	}
	count := number(rest[0])
	if err := receiver.IssueCredit(uint32(count)); err != nil {
		return err
	}
	for ; count > 0; count-- {
		message, err := take(ctx, receiver)
		if err != nil {
			return err
		}
		fmt.Println("message", text(message))
	}
	return nil
}

func request(ctx context.Context, session *amqp.Session, address, question string) error {
	receiver, err := session.NewReceiver(ctx, "", &amqp.ReceiverOptions{DynamicAddress: true})
	if err != nil {
		return err
	}
	sender, err := session.NewSender(ctx, address, nil)
	if err != nil {
		return err
	}
	replies := receiver.Address()
	properties := &amqp.MessageProperties{ReplyTo: &replies, CorrelationID: "1"}
	if err := sender.Send(ctx, &amqp.Message{Properties: properties, Value: question}, nil); err != nil {
		return err
	}
	message, err := take(ctx, receiver)
	if err != nil {
		return err
	}
	fmt.Println("message", text(message))
	if message.Properties.CorrelationID != "1" {
		return errors.New("an answer to something else")
	}
	return nil
}

func respond(ctx context.Context, session *amqp.Session, address string, count int) error {
	receiver, err := session.NewReceiver(ctx, address, &amqp.ReceiverOptions{Credit: -1})
	if err != nil {
		return err
	}
	sender, err := session.NewSender(ctx, "", nil)
	if err != nil {
		return err
	}
	if err := receiver.IssueCredit(uint32(count)); err != nil {
		return err
	}
	fmt.Println("ready")
	for ; count > 0; count-- {
		message, err := take(ctx, receiver)
		if err != nil {
			return err
		}
		asked := message.Properties
		properties := &amqp.MessageProperties{To: asked.ReplyTo, CorrelationID: asked.CorrelationID}
		if err := sender.Send(ctx, &amqp.Message{Properties: properties, Value: strings.ToUpper(text(message))}, nil); err != nil {
			return err
		}
		fmt.Println("message", text(message))
	}
	return nil
}

func take(ctx context.Context, receiver *amqp.Receiver) (*amqp.Message, error) {
	waiting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	message, err := receiver.Receive(waiting, nil)
	if err != nil {
		return nil, err
	}
	return message, receiver.AcceptMessage(ctx, message)
}

func text(message *amqp.Message) string {
	if message.Value != nil {
		return fmt.Sprint(message.Value)
	}
	return string(message.GetData())
}

// reason is what the server said, where it has said anything.
func reason(err error) string {
	var told *amqp.Error
	if errors.As(err, &told) {
		return fmt.Sprintf("%s: %s", told.Condition, told.Description)
	}
	return err.Error()
}

func number(word string) int {
	found, err := strconv.Atoi(word)
	if err != nil {
		fmt.Fprintln(os.Stderr, word, "is no number")
		os.Exit(1)
	}
	return found
}
