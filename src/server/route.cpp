#include "src/server/route.hpp"

#include <algorithm>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace asio = boost::asio;

namespace {

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

routed take_apart(route const& to, request& r)
{
    routed                 all;
    std::string_view const target(r.target);
    auto const             path = path_of(target);
    if (to.path.back() == '/')
        all.rest = read_path(path.substr(to.path.size()));
    all.parameters = read_query(target.substr(std::min(target.size(), path.size() + 1)));
    all.body = std::move(r.body);
    return all;
}

}  // namespace

route const* find_route(std::string_view target)
{
    auto const path = path_of(target);
    for (auto const& r : dtm_routes())
        if (r.path.back() == '/' ? path.starts_with(r.path) && path.size() > r.path.size() : path == r.path)
            return &r;
    return nullptr;
}

unsigned bit_of(std::string_view method)
{
    if (method == "GET")
        return by_get;
    if (method == "POST")
        return by_post;
    return method == "DELETE" ? by_delete : 0u;
}

std::string names_of(unsigned by)
{
    std::string names;
    for (auto const* name : {"GET", "POST", "DELETE"})
        if (by & bit_of(name))
            names += (names.empty() ? "" : ", ") + std::string(name);
    return names;
}

std::string api_of(std::string_view target)
{
    auto const* const r = find_route(target);
    if (!r)
        return "other";
    auto path = r->path;
    if (path.back() == '/')
        path.remove_suffix(1);
    std::string name(path.substr(path.rfind('/') + 1));
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    return name;
}

asio::awaitable<answer> answer_to(request_context at, request r)
{
    auto const* const to = find_route(r.target);
    if (!to)
        co_return plain(404, "404 page not found");
    std::exception_ptr wrong_somehow;
    answer             a;
    try
    {
        auto found = take_apart(*to, r);
        a = co_await to->handle(at, std::move(found));
    }
    catch (...)
    {
        wrong_somehow = std::current_exception();
    }
    if (wrong_somehow)
        a = wrong(problem_of(wrong_somehow));
    co_return a;
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
