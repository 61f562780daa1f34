// The store on a database server, shared by many processes.
#pragma once

#include "src/sql/server_session.hpp"

#include <weft/open_store.hpp>

namespace weft {
inline namespace v0 {
namespace sql_store {

struct server_store_options
{
    detail::server_url           url;
    detail::server_options       session;
    std::string                  table_prefix;
    std::shared_ptr<weft::clock> clock;  // null: the server's own
    relocation                   relocated = relocation::unsaid;

    std::optional<std::chrono::minutes> dtm_utc_offset;  // store_options::dtm_utc_offset
};

// Connects, and creates or upgrades the tables. Errors: store_error naming the server and what is wrong.
std::unique_ptr<store> open_server(server_store_options options);

}  // namespace sql_store
}  // namespace v0
}  // namespace weft
