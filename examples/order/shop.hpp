// The shop's three databases, in files or on a server. They know nothing of each other: keeping them in step is what the workflow is for.
#pragma once

#include <weft/database.hpp>
#include <weft/fwd.hpp>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

// Where a shop is: the directory of its files, or the URL of a server and the beginning of its databases' names.
struct shop_place
{
    std::filesystem::path directory;
    std::string           server;  // postgres://user:password@host:port/shop: shop_weft, shop_orders, shop_stock, shop_accounts; they exist

    std::string url(std::string const& database) const;
};

// Opens the databases, making tables that are not there, with the opening stock and balances.
// Lifetimes: outlives the engine that runs its workflows.
struct shop
{
    explicit shop(shop_place const& where);
    explicit shop(std::filesystem::path const& directory) : shop(shop_place{directory, {}}) { }

    weft::database orders;    // orders(id, …, state), receipts(number, order_id, cents)
    weft::database stock;     // stock(article, on_hand, reserved, sold, opening)
    weft::database accounts;  // accounts(customer, balance, opening), till(balance): a row for each payment

    // Then customers pay by XA: nobody sees a payment of which it is not certain that it stays.
    bool const on_server;

    // Each has a ledger(gid, branch, operation, subject, amount) in which every effect leaves a row. It has no unique key, so
    // an effect that happens twice is seen by `order audit`.
};

// What can be said to the user as it is.
class bad_input : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

// The transactions of a shop. `make` says whether it may be new. Errors: bad_input if it may not and there is none.
enum class if_missing
{
    make,
    refuse
};
std::unique_ptr<weft::store> open_transactions(shop_place const& where, if_missing what);
