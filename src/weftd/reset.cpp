#include "src/weftd/reset.hpp"

#include "src/store/sql/store_tables.hpp"

#include <weft/open_store.hpp>

#include <ostream>

namespace weftd {

bool reset(configuration const& values, bool yes, std::ostream& out)
{
    auto const url = store_url(values);
    if (url == "memory://")
    {
        out << "a store in memory is empty at each start\n";
        return true;
    }
    auto const store = weft::open_store(url);
    store->release_dead(std::chrono::seconds(4));  // engines that are gone are no reason to refuse
    auto const c = yes ? weft::sql_store::empty_tables(url) : weft::sql_store::count_tables(url);
    if (c.engines > 0)
    {
        out << store->describe() << ": " << c.engines << " engines are at work here; stop them first. Nothing was removed\n";
        return false;
    }
    out << store->describe() << ": " << c.transactions << " transactions, " << c.unfinished << " of them unfinished, " << c.operations
        << " operations, and " << c.rows_of_kv << " topics and the like (tables " << c.tables << ") "
        << (yes ? "were removed\n" : "would be removed; say --yes to do it\n");
    return yes;
}

}  // namespace weftd
