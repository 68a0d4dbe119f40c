// flood send|receive URL ADDRESS COUNT CREDIT SIZE DURABLE: at least once, at most CREDIT messages unconfirmed.
// Says `READY` when it can begin, and `DONE BEGAN ENDED` in seconds since 1970. WIRE_USER, WIRE_PASSWORD, WIRE_TRUST, WIRE_BUS.
#include <proton/binary.hpp>
#include <proton/connection.hpp>
#include <proton/connection_options.hpp>
#include <proton/container.hpp>
#include <proton/delivery.hpp>
#include <proton/error_condition.hpp>
#include <proton/message.hpp>
#include <proton/messaging_handler.hpp>
#include <proton/receiver_options.hpp>
#include <proton/sender.hpp>
#include <proton/ssl.hpp>
#include <proton/tracker.hpp>
#include <proton/transport.hpp>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <string>

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

class flood : public proton::messaging_handler {
 public:
  flood(bool sends, std::string url, std::string address, long count, long credit, size_t size, bool durable)
      : sends_(sends), url_(url), address_(address), count_(count), credit_(credit) {
    message_.body(proton::binary(std::string(size, 'x')));
    message_.durable(durable);
  }

  void on_container_start(proton::container& container) override {
    proton::connection_options options;
    options.user(environment("WIRE_USER")).password(environment("WIRE_PASSWORD"));
    options.sasl_allowed_mechs("PLAIN").sasl_allow_insecure_mechs(true);
    if (!environment("WIRE_TRUST").empty())
      options.ssl_client_options(proton::ssl_client_options(environment("WIRE_TRUST"), proton::ssl::VERIFY_PEER_NAME));
    if (!environment("WIRE_BUS").empty()) options.virtual_host(environment("WIRE_BUS"));
    container.connect(url_, options);
  }
  void on_connection_open(proton::connection& connection) override {
    if (sends_)
      connection.open_sender(address_);
    else
      connection.open_receiver(address_, proton::receiver_options().credit_window(credit_));
  }
  void on_receiver_open(proton::receiver&) override { std::cout << "READY" << std::endl; }
  void on_sendable(proton::sender& sender) override {
    if (!began_) began_ = now();
    while (sender.credit() && sent_ < count_ && sent_ - done_ < credit_) {
      sender.send(message_);
      ++sent_;
    }
  }
  void on_tracker_accept(proton::tracker& tracker) override {
    if (finished()) {
      tracker.connection().close();
    } else {
      proton::sender sender = tracker.sender();
      on_sendable(sender);
    }
  }
  void on_message(proton::delivery& delivery, proton::message&) override {
    if (!began_) began_ = now();
    if (finished()) {
      delivery.accept();
      delivery.connection().close();
    }
  }
  void on_tracker_reject(proton::tracker&) override { fail("rejected"); }
  void on_transport_error(proton::transport& transport) override { fail(transport.error().what()); }
  void on_error(const proton::error_condition& error) override { fail(error.what()); }

 private:
  bool finished() {
    if (++done_ != count_) return false;
    std::cout.precision(17);
    std::cout << "DONE " << began_ << " " << now() << std::endl;
    return true;
  }
  [[noreturn]] static void fail(const std::string& what) {
    std::cerr << what << std::endl;
    std::_Exit(1);
  }

  const bool sends_;
  const std::string url_, address_;
  const long count_, credit_;
  proton::message message_;
  long sent_ = 0, done_ = 0;
  double began_ = 0;
};

}  // namespace

int main(int count, char** words) {
  if (count != 8) return 2;
  flood handler(std::string(words[1]) == "send", words[2], words[3], std::stol(words[4]), std::stol(words[5]),
                std::stoul(words[6]), std::string(words[7]) == "1");
  proton::container(handler).run();
}
