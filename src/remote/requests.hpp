// Requests to a coordinator, as coroutines, and where they may be waited for.
#pragma once

#include <weft/transport.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace remote_detail {

// No complete reply came: what was asked for may have been done.
class unreachable : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

struct coordinator_reply
{
    unsigned            status = 0;
    boost::json::object body;  // empty if it is no JSON object

    bool        well() const noexcept { return status == 200; }
    std::string message() const;  // for people

    boost::json::object const* object(char const* name) const noexcept;  // null: it is none
    boost::json::array const&  array(char const* name) const noexcept;   // empty: it is none
};

// Sends a request once. Errors: unreachable.
boost::asio::awaitable<http_reply> reply_of(transport& through, http_request r);

// What is wrong with a gid for a coordinator elsewhere; "" if nothing. It takes some characters away, over HTTP, and a gid is what participants'
// barriers go by.
std::string wrong_gid(std::string_view gid);

// dtm's interface at one address. Thread safety: any thread.
class dtm_api
{
public:
    // Errors: misuse if `address` is no http or https URL.
    dtm_api(std::string address, std::shared_ptr<transport> through, std::chrono::milliseconds timeout);

    // Errors: unreachable, also if what answered is a proxy in the coordinator's place (502, 503, 504, or 200 with a page of its own), or it
    // refuses for now (429).
    boost::asio::awaitable<coordinator_reply> post(std::string verb, boost::json::object body) const;
    boost::asio::awaitable<coordinator_reply> get(std::string verb, std::vector<std::pair<std::string, std::string>> query) const;

    std::string const& described() const noexcept { return described_; }  // without user and password
    std::string const& address() const noexcept { return address_; }

private:
    boost::asio::awaitable<coordinator_reply> ask(http_request r) const;

    std::string                address_, described_;
    std::shared_ptr<transport> transport_;
    std::chrono::milliseconds  timeout_;
};

// What dtm's JSON has under a name; "" if that is no text.
std::string text_of(boost::json::object const& o, char const* name);

// How bytes stand in it. Errors of `from_base64`: misuse(bad_value).
std::string to_base64(std::string_view text);
std::string from_base64(std::string_view text);

using job = std::function<boost::asio::awaitable<void>()>;

// Runs them on this thread, at most `at_once` at a time; returns when all have ended, and throws the first error then.
void run_all(std::vector<job> const& jobs, std::size_t at_once);

}  // namespace remote_detail
}  // namespace v0
}  // namespace weft
