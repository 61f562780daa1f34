// `order audit`: whether the three databases and the journal tell the same story, to the piece and to the cent.
#pragma once

#include "shop.hpp"

#include <weft/store.hpp>

#include <cstdint>
#include <string>
#include <vector>

struct audit_report
{
    std::vector<std::string> differences;  // in words, with both figures; empty if everything is right

    std::int64_t committed = 0, rolled_back = 0;
    std::int64_t sold = 0;     // pieces
    std::int64_t taken = 0;    // cents in the till
    std::int64_t effects = 0;  // ledger rows
};

// Looks at one database after the other: for a shop in which nothing is going on.
audit_report audit(weft::store& transactions, shop& our);
