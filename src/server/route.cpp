#include "src/server/route.hpp"

#include <algorithm>
#include <openssl/crypto.h>

namespace weft {
inline namespace v0 {
namespace server_detail {

namespace asio = boost::asio;

namespace {

std::string_view path_of(std::string_view target) { return target.substr(0, target.find('?')); }

route const* find(std::string_view path)
{
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

// In the time that it takes to compare with each of them, whatever it is.
bool is_trusted(std::vector<std::string> const& tokens, std::string_view authorization)
{
    constexpr std::string_view scheme = "Bearer ";
    bool                       trusted = false;
    if (authorization.size() > scheme.size() &&
        std::equal(scheme.begin(), scheme.end(), authorization.begin(), [](char a, char b) { return (a | 0x20) == (b | 0x20); }))
        authorization.remove_prefix(scheme.size());
    else
        authorization = {};
    for (auto const& t : tokens)
        if (t.size() == authorization.size() && CRYPTO_memcmp(t.data(), authorization.data(), t.size()) == 0)
            trusted = true;
    return trusted;
}

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

std::string api_of(std::string_view target)
{
    auto const* const r = find(path_of(target));
    if (!r)
        return "other";
    auto path = r->path;
    if (path.back() == '/')
        path.remove_suffix(1);
    std::string name(path.substr(path.rfind('/') + 1));
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; });
    return name;
}

std::optional<answer> refused_entry(server_options const& options, std::string_view target, std::string_view authorization)
{
    auto const* const to = find(path_of(target));
    auto const&       tokens = options.bearer_tokens;
    if (!tokens.empty() && !(to && to->open) && !is_trusted(tokens, authorization))
        return message(401, "a bearer token is needed");
    return std::nullopt;
}

asio::awaitable<answer> answer_to(surroundings at, request r)
{
    auto const* const to = find(path_of(r.target));
    auto const&       tokens = at.options.bearer_tokens;
    if (!to)
        co_return plain(404, "404 page not found");
    auto const by = to->changes && !tokens.empty() ? to->by & ~by_get : to->by;
    if (by != by_any && !(by & bit_of(r.method)))
    {
        auto a = message(405, r.method + " is no method of this address; there are " + names_of(by));
        a.allow = names_of(by);
        co_return a;
    }
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
