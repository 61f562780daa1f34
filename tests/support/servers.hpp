// Databases on the servers that the test run has started (tests/servers/servers.py).
#pragma once

#include <string>

// A database of its own on one of them, dropped at the end.
class server_database
{
public:
    // "postgres" or "mysql". Throws, saying how to get one, if the run has no such server.
    explicit server_database(std::string const& kind);
    ~server_database();
    server_database(server_database const&) = delete;
    server_database& operator=(server_database const&) = delete;

    // postgres://user:password@127.0.0.1:port/name; `options` as "?a=b".
    std::string url(std::string const& options = "") const { return url_ + options; }

    std::string const& name() const { return name_; }

    // One statement, by the server's owner, in this database.
    void        execute(std::string const& sql) const;
    std::string value(std::string const& sql) const;  // the first row's first column as text, "" for none

private:
    std::string kind_, name_, url_;
};

// The server's own URL: postgres://user:password@127.0.0.1:port/postgres.
std::string server_address(std::string const& kind);
