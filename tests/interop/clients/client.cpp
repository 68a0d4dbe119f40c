// Qpid Proton for C++.
#include <proton/connection.hpp>
#include <proton/connection_options.hpp>
#include <proton/container.hpp>
#include <proton/delivery.hpp>
#include <proton/error_condition.hpp>
#include <proton/message.hpp>
#include <proton/message_id.hpp>
#include <proton/messaging_handler.hpp>
#include <proton/receiver_options.hpp>
#include <proton/sender_options.hpp>
#include <proton/source.hpp>
#include <proton/source_options.hpp>
#include <proton/ssl.hpp>
#include <proton/target_options.hpp>
#include <proton/tracker.hpp>
#include <proton/transfer.hpp>
#include <proton/transport.hpp>
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

[[noreturn]] void refused(const std::string& what) {
  std::cout << "refused " << (what.empty() ? "without a word" : what) << std::endl;
  std::_Exit(3);
}

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char each) { return std::toupper(each); });
  return text;
}

class client : public proton::messaging_handler {
 public:
  client(std::string host, std::string port, std::string action, std::string address, std::vector<std::string> rest)
      : host_(host), port_(port), action_(action), address_(address), rest_(rest) {}

  void on_container_start(proton::container& container) override {
    proton::connection_options options;
    const std::string trust = environment("WIRE_TRUST"), key = environment("WIRE_KEY"), user = environment("WIRE_USER");
    if (!trust.empty()) {
      const auto check = proton::ssl::VERIFY_PEER_NAME;
      options.ssl_client_options(key.empty() ? proton::ssl_client_options(trust, check)
                                             : proton::ssl_client_options(proton::ssl_certificate(key, key), trust, check));
    }
    if (!user.empty()) {
      options.user(user).password(environment("WIRE_PASSWORD")).sasl_allowed_mechs("PLAIN").sasl_allow_insecure_mechs(true);
    } else if (!key.empty()) {
      options.sasl_allowed_mechs("EXTERNAL");
    } else {
      options.sasl_allowed_mechs("ANONYMOUS");
    }
    if (!environment("WIRE_BUS").empty()) options.virtual_host(environment("WIRE_BUS"));
    container.connect((trust.empty() ? "amqp://" : "amqps://") + host_ + ":" + port_, options);
  }

  void on_connection_open(proton::connection& connection) override {
    proton::sender_options relay;
    relay.target(proton::target_options().anonymous(true));
    if (action_ == "send") {
      sender_ = connection.open_sender(address_);
    } else if (action_ == "relay") {
      sender_ = connection.open_sender("", relay);
    } else if (action_ == "receive") {
      proton::receiver_options options;
      options.credit_window(0);
      if (rest_.size() > 1) options.source(selecting(proton::source_options(), rest_[1]));
      connection.open_receiver(address_, options).add_credit(count());
    } else if (action_ == "browse") {
      proton::source_options source;
      source.distribution_mode(proton::source::COPY);
      if (!rest_.empty()) selecting(source, rest_[0]);
      connection.open_receiver(address_, proton::receiver_options().credit_window(0).source(source));
    } else if (action_ == "request") {
      proton::receiver_options options;
      options.source(proton::source_options().dynamic(true));
      connection.open_receiver("", options);
    } else if (action_ == "respond") {
      sender_ = connection.open_sender("", relay);
      connection.open_receiver(address_, proton::receiver_options().credit_window(0));
    } else {
      std::cerr << "this client has no " << action_ << std::endl;
      std::_Exit(1);
    }
  }

  void on_receiver_open(proton::receiver& receiver) override {
    if (action_ == "browse") {
      receiver.add_credit(100);
      receiver.drain();
    } else if (action_ == "request") {
      reply_to_ = receiver.source().address();
      if (!reply_to_.empty()) sender_ = receiver.connection().open_sender(address_);
    } else if (action_ == "respond") {
      receiver.add_credit(count());
      std::cout << "ready" << std::endl;
    }
  }

  void on_sendable(proton::sender& sender) override {
    if (action_ == "request" && !sent_++) {
      proton::message request(rest_[0]);
      request.reply_to(reply_to_);
      request.correlation_id(std::string("1"));
      sender.send(request);
    }
    if (action_ != "send" && action_ != "relay") return;
    while (sent_ < rest_.size() && sender.credit()) {
      proton::message message(rest_[sent_++]);
      message.to(address_);
      message.durable(true);
      sender.send(message);
    }
  }

  void on_tracker_accept(proton::tracker& tracker) override {
    ++accepted_;
    if (action_ == "send" || action_ == "relay") std::cout << "accepted" << std::endl;
    const size_t all = action_ == "respond" ? count() : rest_.size();
    if (action_ != "request" && accepted_ == all) tracker.connection().close();
  }

  void on_message(proton::delivery& delivery, proton::message& message) override {
    const std::string text = proton::get<std::string>(message.body());
    std::cout << "message " << text << std::endl;
    ++received_;
    if (action_ == "respond") {
      proton::message reply(upper(text));
      reply.to(message.reply_to());
      reply.correlation_id(message.correlation_id());
      sender_.send(reply);
    } else if (action_ == "request" || (action_ == "receive" && received_ == count())) {
      delivery.accept();
      delivery.receiver().close();
    }
  }

  void on_receiver_close(proton::receiver& receiver) override { receiver.connection().close(); }
  void on_receiver_drain_finish(proton::receiver& receiver) override {
    std::cout << "end" << std::endl;
    receiver.connection().close();
  }

  void on_tracker_reject(proton::tracker& tracker) override {
    // The reason is there since Proton 0.40; Debian's older one tells of the rejection only.
    (void)tracker;
    refused("rejected");
  }
  void on_transport_error(proton::transport& transport) override { refused(transport.error().what()); }
  void on_connection_error(proton::connection& connection) override { refused(connection.error().what()); }
  void on_session_error(proton::session& session) override { refused(session.error().what()); }
  void on_sender_error(proton::sender& sender) override { refused(sender.error().what()); }
  void on_receiver_error(proton::receiver& receiver) override { refused(receiver.error().what()); }
  void on_error(const proton::error_condition& error) override { refused(error.what()); }

 private:
  size_t count() const { return std::stoul(rest_.at(0)); }

  static proton::source_options& selecting(proton::source_options&& source, const std::string& selector) {
    return selecting(source, selector);
  }
  static proton::source_options& selecting(proton::source_options& source, const std::string& selector) {
    proton::source::filter_map filters;
    proton::value filter;
    proton::codec::encoder encoder(filter);
    encoder << proton::codec::start::described() << proton::symbol("apache.org:selector-filter:string") << selector
            << proton::codec::finish();
    filters.put(proton::symbol("selector"), filter);
    return source.filters(filters);
  }

  const std::string host_, port_, action_, address_;
  const std::vector<std::string> rest_;
  proton::sender sender_;
  std::string reply_to_;
  size_t sent_ = 0, accepted_ = 0, received_ = 0;
};

}  // namespace

int main(int count, char** words) {
  if (count < 5) {
    std::cerr << "usage: client HOST PORT ACTION ADDRESS [ARGUMENT ...]" << std::endl;
    return 1;
  }
  client handler(words[1], words[2], words[3], words[4], std::vector<std::string>(words + 5, words + count));
  proton::container(handler).run();
}
