#include "listing.hpp"

#include "text.hpp"

#include <algorithm>
#include <ostream>

void print_list(std::ostream& out, std::vector<weft::transaction> const& rows)
{
    std::size_t widest = 8;
    for (auto const& t : rows)
        widest = std::max(widest, width(t.gid));
    for (auto const& t : rows)
    {
        out << padded(t.gid, widest + 2) << padded(state_of(t), 25) << clock_time(t.updated);
        for (auto const* why : {&t.paused_reason, &t.reason, &t.last_error})
            if (!why->empty())
            {
                out << "  " << *why;
                break;
            }
        out << '\n';
    }
}
