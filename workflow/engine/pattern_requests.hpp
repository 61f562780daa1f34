// What a transaction manager asks for: transactions of dtm's patterns are prepared, submitted, aborted,
// stopped and finished, and operations are added to them. Each is a decision that anyone may make, and that
// fences whoever attempts the transaction; what it leases to this engine begins here at once.
#pragma once

#include "workflow/engine/attempts.hpp"
#include "workflow/engine/pattern_intake.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

class pattern_requests
{
public:
    template <class T>
    using done = std::unique_ptr<completion<T>>;

    struct needs
    {
        incarnation& me;
        running&     here;
        claims&      work;
        callers&     writes;
        waiters&     who_waits;
        attempts&    begun;
    };
    pattern_requests(engine_context& e, needs const& n);

    // Before the engine starts.
    void add_manager(manager_options const& options);

    bool                    are_taken() const noexcept { return intake_.remote() != nullptr; }
    remote_caller&          remote() const noexcept { return *intake_.remote(); }
    pattern_settings const& defaults() const noexcept { return intake_.defaults(); }

    // --- ways in
    // `in_doubt`: an earlier try to write it may have been applied.
    void prepare(global_transaction t, bool whatever_status, done<transaction> answer);
    void submit(global_transaction t, bool wait, done<transaction> answer, bool in_doubt = false);
    void abort(std::string gid, std::string trans_type, std::string reason, bool wait,
               done<transaction> answer);
    void force_stop(std::string gid, done<transaction> answer);
    void finish_elsewhere(std::string gid, status how, std::string reason, std::string result,
                          done<transaction> answer);
    void register_ops(std::string gid, std::string trans_type, std::vector<branch_op> ops,
                      done<std::monostate> answer);
    void make_due(std::string gid, done<std::monostate> answer);

    // --- once a decision is durable
    // Reads it, after a decision that was `made` here, or by somebody else before. An attempt that has it
    // here goes on from there; else it is this engine's to begin (`ours`), if the decision leased it.
    void after_decision(std::string gid, std::optional<status> made, attempts::found_leased then);

    void find(std::string gid, attempts::found then) { attempts_.find(std::move(gid), std::move(then)); }

    // It is leased to this incarnation, or was: an attempt begins, and the caller hears at once or when that
    // has ended.
    void run_decided(transaction row, bool wait, done<transaction> answer);

    // An attempt has had no answer from a branch, `times` in a row.
    void branch_error(transaction const& row, std::string const& url, std::string const& error,
                      std::uint32_t before, std::uint32_t times);

private:
    // A decision on its way, and what its answer depends on.
    struct decision
    {
        decide_write what;
        bool         wait = false;
        std::string  verb;
        std::optional<status>
                          already;  // means that somebody has asked for the same before, and that is as good
        done<transaction> answer;
    };
    using shared_decision = std::shared_ptr<decision>;
    using shared_answer = std::shared_ptr<done<transaction>>;

    void         prepared_before(std::string const& gid, std::string const& trans_type, bool whatever_status,
                                 shared_answer answer);
    create_write creation_here(global_transaction const& t, transaction& row) const;
    void decide_prepared(global_transaction const& t, bool wait, done<transaction> answer, bool in_doubt);
    void find_pattern(std::string gid, std::string trans_type, std::string verb, attempts::found then);
    void decide(decision d, bool in_doubt = false);
    void was_decided(shared_decision d, std::exception_ptr error, write_result const& r);
    void run_created(transaction row, bool wait, done<transaction> answer);

    engine_context& context_;
    incarnation&    incarnation_;
    running&        running_;
    claims&         claims_;
    callers&        callers_;
    waiters&        waiters_;
    attempts&       attempts_;
    pattern_intake  intake_;

    decltype(manager_options::on_branch_error) on_branch_error_;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
