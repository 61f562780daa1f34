// `order status`: how many transactions there are in each state, and what was under way when the process that ran them went.
#pragma once

#include "shop.hpp"

#include <weft/store.hpp>

#include <iosfwd>

struct standing
{
    std::int64_t committed = 0;
    std::int64_t rolled_back = 0;
    std::int64_t running = 0;       // no decision yet
    std::int64_t committing = 0;    // decided, with confirmations left
    std::int64_t rolling_back = 0;  // decided, with undos left
    std::int64_t paused = 0;        // of the three above
    std::int64_t owned = 0;         // of those: leased to an engine, alive or not

    // Of the unfinished ones: operations that were sent, or may have been, and whose outcome the journal does not have.
    std::int64_t operations = 0;
    // … and of these the ones that the shop's databases show to have happened: sent again without a barrier, they would happen twice.
    std::int64_t happened = 0;

    std::int64_t unfinished() const { return running + committing + rolling_back; }
};

standing take_stock(weft::store& transactions, shop& our);

void print_standing(std::ostream&, standing const&);
void print_standing_json(std::ostream&, standing const&);
