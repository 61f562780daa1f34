#include "src/sql/url.hpp"
#include "src/store/sql/server_store.hpp"
#include "src/store/sql/sqlite_store.hpp"

#include <weft/errors.hpp>
#include <weft/open_store.hpp>

#include <algorithm>

namespace weft {
inline namespace v0 {

namespace {

relocation relocation_from(std::string const& text)
{
    if (text != "moved" && text != "cloned")
        throw misuse(misuse::code::wrong_call, "store in a store's URL is moved or cloned");
    return text == "moved" ? relocation::moved : relocation::cloned;
}

std::unique_ptr<store> open_on_server(std::string const& url, store_options options)
{
    sql_store::server_store_options server;
    server.url = detail::parse_server_url(url);
    server.session.lock_timeout = detail::option_time("store_options::busy_timeout", options.busy_timeout);
    server.session.take(server.url);
    server.clock = std::move(options.clock);
    server.relocated = options.relocated;
    server.dtm_utc_offset = options.dtm_utc_offset;
    if (auto const o = options.dtm_utc_offset; o && (*o <= -std::chrono::hours(24) || *o >= std::chrono::hours(24)))
        throw misuse(misuse::code::wrong_call, "store_options::dtm_utc_offset is less than a day");
    std::erase_if(server.url.options, [&](auto const& option) {
        if (option.first == "table_prefix")
            server.table_prefix = option.second;
        else if (option.first == "store")
            server.relocated = relocation_from(option.second);
        else
            return false;
        return true;
    });
    auto const letter = [](unsigned char c) { return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); };
    if (server.table_prefix.size() > 32 || !std::all_of(server.table_prefix.begin(), server.table_prefix.end(), letter))
        throw misuse(misuse::code::wrong_call, "a table_prefix has at most 32 characters: lower-case letters, digits and underscores");
    return sql_store::open_server(std::move(server));
}

}  // namespace

std::unique_ptr<store> open_store(std::string const& url, store_options options)
{
    if (url == "memory://")
        return make_memory_store(std::move(options.clock));
    auto const parsed = detail::parse_database_url(url);
    if (detail::server_kind_of(parsed.scheme))
        return open_on_server(url, std::move(options));
    if (parsed.scheme != "sqlite")
        throw misuse(misuse::code::wrong_call, "no store is known for a URL of scheme \"" + parsed.scheme +
                                                   "\": sqlite://FILE, postgres://…/DATABASE, mysql://…/DATABASE and memory:// are");
    if (parsed.path.empty())
        throw misuse(misuse::code::wrong_call, "sqlite:// needs a file: sqlite://FILE");
    for (auto const& [name, value] : parsed.options)
        if (name == "busy_timeout")
            options.busy_timeout = detail::parse_duration(name, value);
        else if (name == "store")
            options.relocated = relocation_from(value);
        else
            throw misuse(misuse::code::wrong_call, "a store has no option \"" + name + "\": busy_timeout and store are some");
    options.busy_timeout = detail::option_time("store_options::busy_timeout", options.busy_timeout);
    return sql_store::open_sqlite({parsed.path,
                                   options.busy_timeout,
                                   std::move(options.clock),
                                   {std::move(options.on_warning), options.warn_above_log_bytes},
                                   options.relocated});
}

}  // namespace v0
}  // namespace weft
