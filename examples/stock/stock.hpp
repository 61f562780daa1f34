// The business of the stock service: one local transaction per function, on a database of its own.
#pragma once

#include <boost/describe.hpp>
#include <soci/soci.h>

#include <cstdint>
#include <string>

struct purchase
{
    std::string  article;
    std::int64_t quantity = 0;
};
BOOST_DESCRIBE_STRUCT(purchase, (), (article, quantity))

void set_up(soci::session& sql);

// Throws weft::failure if there are not so many. Returns how many are left.
std::int64_t reserve(soci::session& sql, purchase const& p);
void         confirm(soci::session& sql, purchase const& p);
void         release(soci::session& sql, purchase const& p);
