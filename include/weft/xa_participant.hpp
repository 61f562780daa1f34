/// \file
/// The seam to servers that keep prepared XA transactions: how an engine finds those that nobody will finish.
#pragma once

#include <string>
#include <vector>

namespace weft {
inline namespace v0 {

/// A prepared transaction that is waiting for its second phase.
struct prepared_branch
{
    std::string gid;
    std::string branch_id;
    unsigned    send = 1;  ///< which send of the branch prepared it, counted from 1
    std::string xid;       ///< as the server lists it
};

/// Where prepared transactions are. Blocking: called on a thread that may wait.
/// Thread safety: any thread. Lifetimes: outlives every engine that it was added to.
class xa_participant
{
public:
    virtual ~xa_participant() = default;

    /// From now on it works for the store of this id, and its transactions carry that. Errors: misuse if it works for another one.
    virtual void attach(std::string const& store_id) = 0;

    /// The prepared transactions of that store, and of no other. Errors: std::exception if the server cannot be asked.
    virtual std::vector<prepared_branch> prepared() = 0;

    /// Rolls one of them back; not being there any more is no error. Errors: std::exception.
    virtual void roll_back(prepared_branch const&) = 0;

    /// An engine goes and waits for its calls: those that a server has not answered for half a second fail soon. Thread safety: any thread.
    virtual void interrupt() noexcept { }

    /// For logs: "postgres shop@db.example:5432/accounts". Never a password.
    virtual std::string describe() const = 0;
};

}  // namespace v0
}  // namespace weft
