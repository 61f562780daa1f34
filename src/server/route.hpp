// Which address leads where.
#pragma once

#include "src/server/envelope.hpp"
#include "src/server/query.hpp"
#include "src/server/verbs.hpp"

#include <weft/server.hpp>

#include <span>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace server_detail {

// A request as far as its answer depends on it.
struct request
{
    std::string method;  // GET, POST, …
    std::string target;  // path and query, as they came
    std::string body;
};

// A request that has found its route.
struct routed
{
    std::string  rest;  // of the path, behind the route's own
    query_string parameters;
    std::string  body;

    std::string  text(char const* name) const { return parameters.text(name); }
    std::int64_t number(char const* name, std::int64_t otherwise, std::int64_t least) const
    {
        return parameters.number(name, otherwise, least);
    }
};

struct surroundings
{
    server_options const& options;
    transaction_manager&  manager;
    verbs&                speaks;
    bool                  stopping;
};

enum methods : unsigned
{
    by_get = 1,
    by_post = 2,
    by_delete = 4,
    by_any = 7
};

struct route
{
    std::string_view path;  // ending in '/': what follows is `rest`
    unsigned         by;
    boost::asio::awaitable<answer> (*handle)(surroundings at, routed r);

    bool open = false;     // without a token
    bool changes = false;  // something, although by GET: not where there are tokens
};

// dtm_api.cpp
std::span<route const> dtm_routes();

// What metrics call it: the last part of its path, in lower case; "other" if there is no such route.
std::string api_of(std::string_view target);

// Answers whatever comes, also when it goes wrong.
// What to answer to whom has no business here, by the header alone; else nothing.
std::optional<answer> refused_entry(server_options const& options, std::string_view target, std::string_view authorization);

// The answer to a request that may enter.
boost::asio::awaitable<answer> answer_to(surroundings at, request r);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
