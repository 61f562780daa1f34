// SQLite without weft and without SOCI: what another program would see and do.
#pragma once

#include <sqlite3.h>

#include <stdexcept>
#include <string>

class plain_sqlite
{
public:
    explicit plain_sqlite(std::string const& file)
    {
        if (sqlite3_open(file.c_str(), &db_) != SQLITE_OK)
            throw std::runtime_error("cannot open " + file);
        sqlite3_busy_timeout(db_, 5000);
    }
    ~plain_sqlite() { sqlite3_close(db_); }
    plain_sqlite(plain_sqlite const&) = delete;
    plain_sqlite& operator=(plain_sqlite const&) = delete;

    sqlite3* get() { return db_; }

    // Returns the first column of the last row; "null" for SQL's null, "none" for no row.
    std::string operator()(std::string const& sql)
    {
        std::string out = "none";
        char*       error = nullptr;
        auto const  keep = [](void* to, int, char** values, char**) {
            *static_cast<std::string*>(to) = values[0] ? values[0] : "null";
            return 0;
        };
        if (sqlite3_exec(db_, sql.c_str(), keep, &out, &error) != SQLITE_OK)
        {
            std::string const what = error ? error : "?";
            sqlite3_free(error);
            throw std::runtime_error(what);
        }
        return out;
    }

private:
    sqlite3* db_ = nullptr;
};
