#include "src/store/sql/sqlite_store.hpp"

#include <weft/errors.hpp>
#include <weft/open_store.hpp>

namespace weft {
inline namespace v0 {

std::unique_ptr<store> open_store(std::string const& url, store_options options)
{
    constexpr std::string_view sqlite = "sqlite://";
    if (url == "memory://")
        return make_memory_store(std::move(options.clock));
    if (url.starts_with(sqlite) && url.size() > sqlite.size())
        return sql_store::open_sqlite({url.substr(sqlite.size()), options.busy_timeout, std::move(options.clock)});
    auto const scheme = url.substr(0, url.find(':'));
    throw misuse(misuse::code::wrong_call,
                 "no store is known for a URL of scheme \"" + scheme + "\": sqlite://FILE and memory:// are");
}

}  // namespace v0
}  // namespace weft
