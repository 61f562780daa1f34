#include "src/sql/url.hpp"
#include "src/store/sql/sqlite_store.hpp"

#include <weft/errors.hpp>
#include <weft/open_store.hpp>

namespace weft {
inline namespace v0 {

std::unique_ptr<store> open_store(std::string const& url, store_options options)
{
    if (url == "memory://")
        return make_memory_store(std::move(options.clock));
    auto const parsed = detail::parse_database_url(url);
    if (parsed.scheme != "sqlite")
        throw misuse(misuse::code::wrong_call,
                     "no store is known for a URL of scheme \"" + parsed.scheme + "\": sqlite://FILE and memory:// are");
    if (parsed.path.empty())
        throw misuse(misuse::code::wrong_call, "sqlite:// needs a file: sqlite://FILE");
    for (auto const& [name, value] : parsed.options)
        if (name == "busy_timeout")
            options.busy_timeout = detail::parse_duration(name, value);
        else
            throw misuse(misuse::code::wrong_call, "a store has no option \"" + name + "\": busy_timeout is one");
    return sql_store::open_sqlite({parsed.path, options.busy_timeout, std::move(options.clock)});
}

}  // namespace v0
}  // namespace weft
