// What the shop can do: each one local transaction in one database. "No" is said by throwing weft::failure.
#pragma once

#include "order.hpp"

#include <weft/branch.hpp>

namespace soci {
class session;
}

// In the database of orders.
void         create_order(weft::branch const& where, soci::session& sql, order const& o);
void         cancel_order(weft::branch const& where, soci::session& sql, order const& o);
std::int64_t write_receipt(weft::branch const& where, soci::session& sql, order const& o);  // returns its number

// In the database of the stock.
void reserve_stock(weft::branch const& where, soci::session& sql, order const& o);
void confirm_stock(weft::branch const& where, soci::session& sql, order const& o);
void release_stock(weft::branch const& where, soci::session& sql, order const& o);

// In the database of accounts.
std::int64_t charge(weft::branch const& where, soci::session& sql, order const& o);  // returns the cents charged
void         refund(weft::branch const& where, soci::session& sql, order const& o);
