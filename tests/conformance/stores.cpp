#include "tests/conformance/stores.hpp"

#include <weft/open_store.hpp>

#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>

namespace conformance {

std::vector<std::string> const& kinds()
{
    static std::vector<std::string> const all{"memory", "sqlite", "postgres", "mysql"};
    return all;
}

fresh_store::fresh_store(std::string const& kind) : kind_(kind)
{
    if (kind_ == "sqlite")
        directory_.emplace();
    if (kind_ == "postgres" || kind_ == "mysql")
        database_.emplace(kind_);
    reopen();
}

void fresh_store::reopen()
{
    if (kind_ == "memory")
    {
        if (!store_)
            store_ = weft::make_memory_store(clock_);
        return;
    }
    store_.reset();
    store_ = weft::open_store(directory_ ? directory_->url("weft.db") : database_->url(), {.clock = clock_});
}

void fresh_store::by_hand(std::string const& sql)
{
    if (database_)
        return database_->execute(sql);
    soci::session s(soci::sqlite3, "dbname=" + directory_->file("weft.db"));
    s << sql;
}

}  // namespace conformance
