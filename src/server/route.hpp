// Which address leads where.
#pragma once

#include "src/server/body_budget.hpp"
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
    held_body   body;
};

// A request that has found its route.
struct routed
{
    std::string  rest;  // of the path, behind the route's own
    query_string parameters;
    held_body    body;

    std::string  text(char const* name) const { return parameters.text(name); }
    std::int64_t number(char const* name, std::int64_t otherwise, std::int64_t least) const
    {
        return parameters.number(name, otherwise, least);
    }
};

struct request_context
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

enum trait : unsigned
{
    takes_body = 1,
    open_to_all = 2,    // without a token
    changes_by_get = 4  // what it should not: not where there are tokens
};

struct route
{
    std::string_view path;  // ending in '/': what follows is `rest`
    unsigned         by;
    boost::asio::awaitable<answer> (*handle)(request_context at, routed r);

    unsigned traits = 0;
    bool     is(trait t) const { return (traits & t) != 0; }
};

// dtm_api.cpp
std::span<route const> dtm_routes();

// What metrics call it: the last part of its path, in lower case; "other" if there is no such route.
std::string api_of(std::string_view target);

// Null if there is none.
route const* find_route(std::string_view target);

unsigned    bit_of(std::string_view method);  // 0: none of `methods`
std::string names_of(unsigned by);            // "GET, POST"

// The answer to a request that may enter (admission.hpp), also when it goes wrong.
boost::asio::awaitable<answer> answer_to(request_context at, request r);

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
