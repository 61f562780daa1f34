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
    server_session  session(weft::detail::parse_server_url(url), options, server_session::purpose::xa);
    std::string     text;
    soci::indicator there = soci::i_null;
    bool const      asks = sql.starts_with("SELECT") || sql.starts_with("SHOW");
    if (asks)
        session.sql() << sql, soci::into(text, there);
    else
        session.execute(sql);
    return there == soci::i_ok ? text : "";
}

// From the environment, or from the file that the run has left.
std::string setting(std::string const& name)
{
    if (auto const* here = std::getenv(name.c_str()))
        return here;
    if (auto const* place = std::getenv("WEFT_SERVERS"))
    {
        std::ifstream in(std::string(place) + "/addresses");
        for (std::string line; std::getline(in, line);)
            if (line.starts_with(name + "="))
                return line.substr(name.size() + 1);
    }
    throw std::runtime_error("this test needs " + name + ": run it by ctest, or as  tests/servers/servers.py run <this program>");
}

std::string with_database(std::string url, std::string const& name) { return url.substr(0, url.rfind('/') + 1) + name; }

}  // namespace

std::string server_address(std::string const& kind)
{
    return setting(std::string(kind.starts_with("mysql") ? "WEFT_MYSQL" : "WEFT_POSTGRES") + (kind.ends_with(" plain") ? "_PLAIN" : ""));
}

std::string authority_of_the_servers() { return setting("WEFT_TLS_CA"); }
std::string authority_of_strangers() { return setting("WEFT_TLS_STRANGER"); }

server_database::server_database(std::string const& kind) : kind_(kind)
{
    static std::atomic<unsigned> made{0};
    name_ = "weft_" + std::to_string(::getpid()) + "_" + std::to_string(++made);
    run(server_address(kind_), "CREATE DATABASE " + name_);
    url_ = with_database(server_address(kind_), name_);
}

server_database::~server_database()
{
    try
    {
        run(server_address(kind_), "DROP DATABASE " + name_ + (mysql() ? "" : " WITH (FORCE)"));
    }
    catch (std::exception const&)
    {
        // It goes with the server.
    }
}

void execute_on_server(std::string const& kind, std::string const& sql) { run(server_address(kind), sql); }

void server_database::execute(std::string const& sql) const { run(url_, sql); }

void server_database::execute_beside(std::string const& sql) const { run(server_address(kind_), sql); }

std::string server_database::value(std::string const& sql) const { return run(url_, sql); }

server_account::server_account(server_database const& where) : where_(where), name_(where.name() + "_account")
{
    if (!where_.mysql())
    {
        where_.execute("CREATE ROLE " + name_ + " LOGIN PASSWORD '" + password() + "'");
        return;
    }
    weft::detail::server_options options;
    options.statement_timeout = std::chrono::minutes(3);
    alone_ = std::make_unique<server_session>(weft::detail::parse_server_url(where.url()), options, server_session::purpose::participant);
    int mine = 0;
    alone_->sql() << "SELECT GET_LOCK('weft accounts of tests', 100)", soci::into(mine);
    if (mine != 1)
        throw std::runtime_error("another test has had its accounts on the server for too long");
    where_.execute("SET GLOBAL read_only = 0");  // a test that was killed may have left it so
    where_.execute("CREATE USER " + account() + " IDENTIFIED BY '" + password() + "'");
}

server_account::~server_account()
{
    try
    {
        if (!where_.mysql())
            where_.execute("DROP OWNED BY " + name_);
        where_.execute(where_.mysql() ? "DROP USER " + account() : "DROP ROLE " + name_);
    }
    catch (std::exception const&)
    {
        // It goes with the server.
    }
}

std::string server_account::account() const { return where_.mysql() ? name_ + "@127.0.0.1" : name_; }

std::string server_account::url(std::string const& options) const
{
    auto const whole = where_.url();
    return whole.substr(0, whole.find("//") + 2) + name_ + ":" + password() + whole.substr(whole.find('@')) + options;
}

void server_account::may(std::string const& privileges, std::string const& on) const
{
    where_.execute("GRANT " + privileges + " ON " + on + " TO " + account());
}

void server_account::may_not(std::string const& privileges, std::string const& on) const
{
    where_.execute("REVOKE " + privileges + " ON " + on + " FROM " + account());
}

void server_account::limit(unsigned connections) const
{
    auto const n = std::to_string(connections);
    where_.execute(where_.mysql() ? "ALTER USER " + account() + " WITH MAX_USER_CONNECTIONS " + n
                                  : "ALTER ROLE " + name_ + " CONNECTION LIMIT " + n);
}

void server_account::may_everything() const { may("ALL", where_.mysql() ? where_.name() + ".*" : "SCHEMA public"); }

void server_account::kill_sessions() const
{
    if (where_.mysql())
        where_.execute("KILL USER " + account());
    else
        where_.value("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '" + name_ + "'");
}

// Not "until it has none": a sweep, a probe or a retry of what is under test may open the next one at any moment.
void server_account::end_sessions() const
{
    auto const of_it = " WHERE user = '" + name_ + "'";
    auto const ids = where_.mysql()
                         ? where_.value("SELECT group_concat(id) FROM information_schema.processlist" + of_it)
                         : where_.value("SELECT string_agg(pid::text, ',') FROM pg_stat_activity WHERE usename = '" + name_ + "'");
    kill_sessions();
    if (ids.empty())
        return;
    auto const left = where_.mysql() ? "SELECT count(*) FROM information_schema.processlist" + of_it + " AND id IN (" + ids + ")"
                                     : "SELECT count(*) FROM pg_stat_activity WHERE usename = '" + name_ + "' AND pid IN (" + ids + ")";
    if (!eventually([&] { return where_.value(left) == "0"; }))
        throw std::runtime_error("the account's sessions do not end");
}
