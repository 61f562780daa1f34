#include "tests/support/servers.hpp"

#include "src/sql/server_session.hpp"

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <unistd.h>

namespace {

using weft::detail::server_session;

std::string run(std::string const& url, std::string const& sql)
{
    weft::detail::server_options options;
    options.lock_timeout = std::chrono::seconds(30);
    server_session  session(weft::detail::parse_server_url(url), options, server_session::purpose::participant);
    std::string     text;
    soci::indicator there = soci::i_null;
    bool const      asks = sql.starts_with("SELECT") || sql.starts_with("SHOW");
    if (asks)
        session.sql() << sql, soci::into(text, there);
    else
        session.execute(sql);
    return there == soci::i_ok ? text : "";
}

std::string with_database(std::string url, std::string const& name) { return url.substr(0, url.rfind('/') + 1) + name; }

}  // namespace

std::string server_address(std::string const& kind)
{
    std::string const name = kind == "postgres" ? "WEFT_POSTGRES" : "WEFT_MYSQL";
    if (auto const* here = std::getenv(name.c_str()))
        return here;
    if (auto const* place = std::getenv("WEFT_SERVERS"))
    {
        std::ifstream in(std::string(place) + "/addresses");
        for (std::string line; std::getline(in, line);)
            if (line.starts_with(name + "="))
                return line.substr(name.size() + 1);
    }
    throw std::runtime_error("this test needs a " + kind + " server: run it by ctest, or as  tests/servers/servers.py run <this program>");
}

server_database::server_database(std::string const& kind) : kind_(kind)
{
    static std::atomic<unsigned> made{0};
    name_ = "weft_" + std::to_string(::getpid()) + "_" + std::to_string(++made);
    run(server_address(kind), "CREATE DATABASE " + name_);
    url_ = with_database(server_address(kind), name_);
}

server_database::~server_database()
{
    try
    {
        run(server_address(kind_), "DROP DATABASE " + name_ + (kind_ == "postgres" ? " WITH (FORCE)" : ""));
    }
    catch (std::exception const&)
    {
        // It goes with the server.
    }
}

void server_database::execute(std::string const& sql) const { run(url_, sql); }

std::string server_database::value(std::string const& sql) const { return run(url_, sql); }
