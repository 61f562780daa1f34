// Databases on the servers that the test run has started (tests/servers/servers.py).
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <thread>

namespace weft {
inline namespace v0 {
namespace detail {
class server_session;
}
}  // namespace v0
}  // namespace weft

// A database of its own on one of them, dropped at the end.
class server_database
{
public:
    // "postgres", "mysql", "postgres plain" or "mysql plain". Throws, saying how to get one, if the run has no such server.
    explicit server_database(std::string const& kind);
    ~server_database();
    server_database(server_database const&) = delete;
    server_database& operator=(server_database const&) = delete;

    // postgres://user:password@127.0.0.1:port/name; `options` as "?a=b".
    std::string url(std::string const& options = "") const { return url_ + options; }

    std::string const& name() const { return name_; }
    bool               mysql() const { return kind_.starts_with("mysql"); }

    // One statement, by the server's owner, in this database.
    void        execute(std::string const& sql) const;
    std::string value(std::string const& sql) const;  // the first row's first column as text, "" for none

    // The same, but in the server's own database.
    void execute_beside(std::string const& sql) const;

private:
    std::string kind_, name_, url_;
};

// An account of its own for one database, which may do nothing there until it is told that it may. Dropped at the end, before the database.
// On MySQL such accounts live on "mysql plain" only, and only one test of all that run at the same time has them: what befalls them is a
// setting of the whole server.
class server_account
{
public:
    explicit server_account(server_database const& where);
    ~server_account();
    server_account(server_account const&) = delete;
    server_account& operator=(server_account const&) = delete;

    std::string const& name() const { return name_; }
    std::string        password() const { return "pass-of-the-account"; }
    std::string        url(std::string const& options = "") const;

    // GRANT "SELECT" ON a table, a sequence, …, and REVOKE; and all that the owner of the database might do.
    void may(std::string const& privileges, std::string const& on) const;
    void may_not(std::string const& privileges, std::string const& on) const;
    void may_everything() const;

    // So many connections at the same time; those that it has now do not count.
    void limit(unsigned connections) const;

    // Kills all its sessions; and waits until those that it had are gone: new ones may begin meanwhile.
    void kill_sessions() const;
    void end_sessions() const;

private:
    std::string account() const;

    server_database const&                        where_;
    std::string                                   name_;
    std::unique_ptr<weft::detail::server_session> alone_;
};

// The server's own URL: postgres://user:password@127.0.0.1:port/postgres. "… plain": the one with that server's own defaults, which a test
// may crash or change for everybody.
std::string server_address(std::string const& kind);

// Files: the authority that has signed the certificates of "mysql" and "postgres plain", and one that has not.
std::string authority_of_the_servers();
std::string authority_of_strangers();

// One statement in the server's own database.
void execute_on_server(std::string const& kind, std::string const& sql);

// Asks until it is so, but no longer than 20 s. False: it is not so.
template <class F>
bool eventually(F is_so)
{
    auto const until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!is_so())
    {
        if (std::chrono::steady_clock::now() > until)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
}
