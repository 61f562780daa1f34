#include "tests/support/servers.hpp"

#include "src/sql/server_session.hpp"

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <unistd.h>

namespace {

using weft::detail::server_session;

std::unique_ptr<server_session> connected(std::string const& url)
{
    weft::detail::server_options options;
    options.lock_timeout = std::chrono::seconds(30);
    return std::make_unique<server_session>(weft::detail::parse_server_url(url), options, server_session::purpose::xa);
}

std::string run(server_session& session, std::string const& sql)
{
    std::string     text;
    soci::indicator there = soci::i_null;
    bool const      asks = sql.starts_with("SELECT") || sql.starts_with("SHOW");
    if (asks)
        session.sql() << sql, soci::into(text, there);
    else
        session.execute(sql);
    return there == soci::i_ok ? text : "";
}

// Tests end sessions, and servers.
bool is_alive(server_session& session)
{
    try
    {
        run(session, "SELECT 1");
        return true;
    }
    catch (std::exception const&)
    {
        return false;
    }
}

// The sessions of the tests themselves, by URL: opening one costs a server ten times what a statement does. Of several threads one has it,
// and the others open their own. Never destroyed: at the end of the program the client libraries end, too, and nobody says in which order.
class kept_sessions
{
public:
    static kept_sessions& here()
    {
        static auto& all = *new kept_sessions;
        return all;
    }

    std::string run(std::string const& url, std::string const& sql)
    {
        auto session = take(url);
        if (!session || !is_alive(*session))
            session = connected(url);
        auto            text = ::run(*session, sql);
        std::lock_guard lock(mutex_);
        sessions_[url] = std::move(session);
        return text;
    }

    // All but those of one address: for who makes, copies or drops a database from there, and nobody may be in it.
    void close_all_but(std::string const& url)
    {
        std::lock_guard lock(mutex_);
        std::erase_if(sessions_, [&](auto const& s) { return s.first != url; });
    }

private:
    std::unique_ptr<server_session> take(std::string const& url)
    {
        std::lock_guard lock(mutex_);
        return std::move(sessions_[url]);
    }

    std::mutex                                             mutex_;
    std::map<std::string, std::unique_ptr<server_session>> sessions_;
};

// In the server's own database.
void run_beside(std::string const& kind, std::string const& sql)
{
    auto& sessions = kept_sessions::here();
    auto  url = server_address(kind);
    if (sql.find("DATABASE") != std::string::npos)
        sessions.close_all_but(url);
    sessions.run(url, sql);
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
    run_beside(kind_, "CREATE DATABASE " + name_);
    url_ = with_database(server_address(kind_), name_);
}

server_database::~server_database()
{
    try
    {
        run_beside(kind_, "DROP DATABASE " + name_ + (mysql() ? "" : " WITH (FORCE)"));
    }
    catch (std::exception const&)
    {
        // It goes with the server.
    }
}

void execute_on_server(std::string const& kind, std::string const& sql) { run_beside(kind, sql); }

void server_database::execute(std::string const& sql) const { value(sql); }

void server_database::execute_beside(std::string const& sql) const { run_beside(kind_, sql); }

std::string server_database::value(std::string const& sql) const { return kept_sessions::here().run(url_, sql); }

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
