// How the limit of one claim is shared out among the workflows that have something due.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

namespace weft {
inline namespace v0 {

// `take(name, most)` takes at most so many and returns how many it took. Each of the names gets an equal part; what some leave over goes to
// those that have more. Where there is less than one for each, the first ones get it.
template <class Names, class Take>
void share_out(std::size_t limit, Names const& names, Take take)
{
    auto const                                     share = std::max<std::size_t>(1, limit / std::max<std::size_t>(1, names.size()));
    std::vector<typename Names::value_type const*> full;
    for (auto const& name : names)
    {
        auto const most = std::min(share, limit);
        if (most == 0)
            return;
        auto const took = take(name, most);
        limit -= std::min(limit, took);
        if (took == most)
            full.push_back(&name);
    }
    for (auto const* name : full)
        if (limit > 0)
            limit -= std::min(limit, take(*name, limit));
}

}  // namespace v0
}  // namespace weft
