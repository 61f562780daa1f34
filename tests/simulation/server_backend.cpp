#include "tests/simulation/server_backend.hpp"

#include "tests/support/servers.hpp"

#include <weft/open_store.hpp>

#include <map>

namespace simulation {

namespace {

server_database& database(std::string const& kind)
{
    // Never dropped, they go with the server: at the end of the program the client libraries end, too, and nobody says in which order.
    static auto& made = *new std::map<std::string, server_database>;
    return made.try_emplace(kind, kind).first->second;
}

}  // namespace

std::string server_url(std::string const& kind) { return database(kind).url(); }

std::unique_ptr<weft::store> open_on_server(std::string const& kind, std::shared_ptr<weft::clock> clock)
{
    auto& d = database(kind);
    auto  store = weft::open_store(d.url(), {.clock = std::move(clock)});
    if (d.value("SELECT count(*) FROM kv") != "0")
        for (auto const* statement :
             {"DELETE FROM trans_global", "DELETE FROM trans_branch_op", "DELETE FROM kv WHERE cat NOT IN ('schema', 'store')"})
            d.execute(statement);
    return store;
}

}  // namespace simulation
