// A store, an engine, a manager and a server as weftd puts them together; services for branches; and a client.
#pragma once

#include "tests/support/http_server.hpp"
#include "tests/support/servers.hpp"
#include "tests/support/temporary_directory.hpp"

#include <weft/http.hpp>
#include <weft/open_store.hpp>
#include <weft/server.hpp>
#include <weft/server_metrics.hpp>

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
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

// One request, on a connection of its own. Throws if no reply comes.
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
        std::string                           method, body;
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

struct world_options
{
    weft::server_options  server{};
    weft::manager_options manager{};
    bool                  alert = false;  // to the service /alert
};

class world
{
public:
    explicit world(std::string const& store_kind, world_options options = {});
    ~world();

    // The process goes, and comes again.
    void restart();

    unsigned short port() const { return server_->port(); }
    void           stop_server(std::chrono::milliseconds deadline) { server_->stop(deadline, weft::blocking); }
    weft::store&   store() { return *store_; }

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
    void start();
    void stop();

    world_options                              options_;
    std::optional<temporary_directory>         directory_;
    std::optional<server_database>             database_;
    std::unique_ptr<weft::store>               store_;
    std::shared_ptr<weft::server_metrics>      metrics_;
    std::unique_ptr<boost::asio::io_context>   io_;
    std::unique_ptr<weft::engine>              engine_;
    std::unique_ptr<weft::transaction_manager> manager_;
    std::unique_ptr<weft::server>              server_;
    std::vector<std::thread>                   threads_;
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
    explicit Protocol(world_options o = {}) : w(GetParam(), std::move(o)) { }
    world w;
};

inline auto const  every_store = ::testing::Values("memory", "sqlite", "postgres", "mysql");
inline std::string name_of_store(::testing::TestParamInfo<std::string> const& i) { return i.param; }

}  // namespace protocol
