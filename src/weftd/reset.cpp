#include "src/weftd/reset.hpp"

#include "src/store/sql/store_tables.hpp"
#include "src/weftd/opening.hpp"

#include <weft/clock.hpp>

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <ostream>

namespace weftd {

namespace {

// Engines that are gone are no reason to refuse: those that do not beat while we look on.
void bury_the_dead(weft::store& store)
{
    constexpr std::chrono::seconds expiry{4};  // as engines have it
    auto                           listed = store.beat("weftd reset", {}).others;
    std::erase_if(listed, [&](auto const& e) { return e.gone && store.bury(e.engine, e.beats); });
    if (!listed.empty())
    {
        boost::asio::io_context waits;
        auto const              alarm = weft::system_clock()->make_alarm(waits.get_executor());
        alarm->set(expiry, [] {});
        waits.run();
    }
    for (auto const& e : listed)
        store.bury(e.engine, e.beats);
    while (store.release_dead(1'000).more)
    { }
}

}  // namespace

bool reset(configuration const& values, bool yes, std::ostream& out)
{
    auto const url = store_url(values);
    if (url == "memory://")
    {
        out << "a store in memory is empty at each start\n";
        return true;
    }
    auto const store = open_store(values);
    bury_the_dead(*store);
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
