// A server: weftd, started for the test with a store of its own. Services for branches; and a client.
#pragma once

#include "tests/protocol/serving.hpp"
#include "tests/support/http_server.hpp"
#include "tests/support/servers.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace protocol {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using object = boost::json::object;
using answer = http_server::answer;

std::string text(boost::json::value const& v);
std::string escaped(std::string const& text);  // for a query

struct reply
{
    unsigned                           status = 0;
    std::string                        body;
    std::map<std::string, std::string> headers;  // names in lower case

    // The body as JSON; an object with one member "" if it is none.
    object json() const;

    // A member that is a text, else "".
    std::string operator[](char const* name) const;
};

// A request that has been sent, on a connection of its own, and whose reply is read later.
class asked
{
public:
    asked(unsigned short port, std::string const& method, std::string const& target, std::string const& body = {},
          std::vector<std::pair<std::string, std::string>> const& headers = {});

    // Throws if none comes.
    reply answer();

private:
    std::unique_ptr<boost::asio::io_context> io_;
    boost::asio::ip::tcp::socket             socket_;
};

// The same, at once.
reply send(unsigned short port, std::string const& method, std::string const& target, std::string const& body = {},
           std::vector<std::pair<std::string, std::string>> const& headers = {});

// Bytes as they are, then the end of sending (if `half_close`); whatever comes back until the end.
std::string send_raw(unsigned short port, std::string const& bytes, bool half_close = true);

// Services for branches: what is called is written down.
class services
{
public:
    struct heard
    {
        std::string                           what;  // "01 action /out": branch, operation, path
        std::string                           method, target, body;
        std::map<std::string, std::string>    query;
        std::map<std::string, std::string>    headers;
        std::chrono::steady_clock::time_point at;
    };

    // Answers in this order, the last one for ever. Without any: 200.
    void answers(std::string const& path, std::vector<answer> script);
    void serve(std::string const& path, std::function<answer(heard const&)> how);

    std::string              url(std::string const& path);
    std::vector<heard>       calls() const;
    std::vector<std::string> seen() const;
    std::size_t              count(std::string const& what) const;
    http_server&             http() { return http_; }

private:
    void add(std::string const& path);

    mutable std::mutex                                         mutex_;
    std::vector<heard>                                         calls_;
    std::map<std::string, std::vector<answer>>                 scripts_;
    std::map<std::string, std::function<answer(heard const&)>> served_;
    http_server                                                http_;  // last: its thread uses the others
};

// A store of this kind with a server on it. "memory": within the test's process, see serving.hpp; all others: a process of weftd.
class world
{
public:
    // `conf`: what else stands in weftd's conf.yml; `open_files`: its limit of them.
    explicit world(std::string const& store_kind, std::string const& conf = {}, unsigned open_files = 0);

    // Asks it to stop. weftd has to end well, and within its deadline.
    ~world();

    // The process is killed, and comes again.
    void restart();

    unsigned short port() const { return server_->port(); }
    // Null for a store that is on no server.
    server_database const* database() const { return database_ ? &*database_ : nullptr; }

    weftd_process& weftd() { return dynamic_cast<weftd_process&>(*server_); }

    // /api/dtmsvr/…
    reply post(std::string const& verb, object const& body);
    reply get(std::string const& verb_and_query);

    object      query(std::string const& gid);                               // both
    std::string status(std::string const& gid);                              // "" if there is none
    std::string statuses(std::string const& gid);                            // of its branches: "prepared succeed"
    object      row(std::string const& gid);                                 // its transaction
    bool        becomes(std::string const& gid, std::string const& status);  // soon
    void        make_due(std::string const& gid) { post("resetNextCronTime", {{"gid", gid}}); }

    services at;

private:
    std::optional<server_database> database_;
    std::unique_ptr<serving>       server_;
};

template <class T>
object with(object o, char const* name, T const& v)
{
    o[name] = v;
    return o;
}

// A saga whose step i has the addresses /a…, /b… and the payload {"step":i}.
object saga(world& w, std::string const& gid, unsigned steps = 2);
object msg(world& w, std::string const& gid, unsigned steps = 2);
object reference(std::string const& gid, std::string const& trans_type);
object tcc_branch(world& w, std::string const& gid, std::string const& id, std::string const& path);

// The suite on each store. A test without a store of its own stands in a suite without a parameter.
class Protocol : public ::testing::TestWithParam<std::string>
{
protected:
    world w{GetParam()};
};

class Killed : public Protocol
{ };

inline auto const  every_store_of_weftd = ::testing::Values("sqlite", "postgres", "mysql");
inline auto const  every_store = ::testing::Values("memory", "sqlite", "postgres", "mysql");
inline std::string name_of_store(::testing::TestParamInfo<std::string> const& i) { return i.param; }

}  // namespace protocol
