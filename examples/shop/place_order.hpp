// The workflow across the four services, and the order service's own part of it.
#pragma once

#include "purchase.hpp"

#include <weft/sql.hpp>
#include <weft/weft.hpp>

#include <boost/describe.hpp>

#include <string>

struct shop
{
    weft::database& orders;
    std::string     user, product, payment;  // addresses
};

struct receipt
{
    std::string  order;
    std::int64_t payment = 0;  // its number
};
BOOST_DESCRIBE_STRUCT(receipt, (), (order, payment))

weft::workflow<receipt> place_order(weft::context& wf, shop const& our, purchase p);

void create_order(soci::session& sql, purchase const& p);
void cancel_order(soci::session& sql, purchase const& p);
void close_order(soci::session& sql, purchase const& p);
void expire_order(soci::session& sql, purchase const& p);  // unless it was paid
