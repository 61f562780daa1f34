// The shop's three databases. They know nothing of each other: keeping them in step is what the workflow is for.
#pragma once

#include <weft/database.hpp>

#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>

namespace weft {
inline namespace v0 {
class store;
}
}  // namespace weft

// Opens the databases of a directory, making those that are not there, with the opening stock and balances.
// Lifetimes: outlives the engine that runs its workflows.
struct shop
{
    explicit shop(std::filesystem::path const& directory);

    weft::database orders;    // orders(id, …, state), receipts(number, order_id, cents)
    weft::database stock;     // stock(article, on_hand, reserved, sold, opening)
    weft::database accounts;  // accounts(customer, balance, opening), till(balance)
    // Each has a ledger(gid, branch, operation, subject, amount) in which every effect leaves a row. It has no unique key, so
    // an effect that happens twice is seen by `order audit`.
};

// What can be said to the user as it is.
class bad_input : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

// The transactions of a directory's shop. `make` says whether it may be new. Errors: bad_input if it may not and there is none.
enum class if_missing
{
    make,
    refuse
};
std::unique_ptr<weft::store> open_transactions(std::filesystem::path const& directory, if_missing what);
