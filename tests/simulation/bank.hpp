// The world of the simulations: a bank whose participants keep a real barrier (dtm's algorithm) and a ledger without unique keys, so
// that a double effect shows. It watches the store while it is called: whatever arrives must have been allowed to leave (I1–I4).
#pragma once

#include <weft/store.hpp>
#include <weft/testing/environment.hpp>
#include <weft/workflow.hpp>

#include <boost/describe.hpp>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace simulation {

struct request
{
    std::string  account;
    std::int64_t cents = 0;
};
BOOST_DESCRIBE_STRUCT(request, (), (account, cents))

class bank
{
public:
    static constexpr std::int64_t opening_balance = 10'000;

    // One operation that had an effect.
    struct effect
    {
        std::string     gid, branch;
        weft::operation op;
        std::int64_t    cents;
    };

    // What arrives is held against this store.
    void watch(weft::store& s) { store_ = &s; }

    // --- what operations use
    // Runs `business` once per (gid, branch, operation), as dtm's barrier does: undo before action makes neither happen.
    template <class Business>
    std::int64_t guarded(weft::branch const& where, Business business)
    {
        receive(where);
        auto const origin = origin_of(where.op);
        bool const null_undo = origin && marks_.emplace(key(where, *origin), mark{where.op, 0}).second;
        bool const is_new = marks_.emplace(key(where, where.op), mark{where.op, 0}).second;
        if (null_undo)
            return 0;
        if (!is_new)
        {
            auto const& first = marks_.at(key(where, where.op));
            if (first.by != where.op)
                throw weft::failure("undone already");
            return first.result;
        }
        try
        {
            auto const result = business();
            ledger_.push_back({where.gid, where.id, where.op, result});
            return marks_.at(key(where, where.op)).result = result;
        }
        catch (...)
        {
            // The participant's transaction rolls back, its barrier rows with it.
            marks_.erase(key(where, where.op));
            throw;
        }
    }

    std::int64_t take(request const& r);
    std::int64_t give_back(request const& r);
    std::int64_t reserve(request const& r);
    std::int64_t confirm(request const& r);
    std::int64_t release(request const& r);

    // --- XA: prepared transactions by (gid, branch, send)
    weft::outcome prepare(weft::branch const& where, request const& r);
    weft::outcome commit(weft::branch const& where);
    weft::outcome roll_back(weft::branch const& where);

    // --- what tests ask
    std::vector<effect> const& ledger() const noexcept { return ledger_; }
    std::int64_t               spent() const noexcept { return spent_; }
    std::int64_t balance(std::string const& account) const { return accounts_.contains(account) ? accounts_.at(account) : opening_balance; }

    // Everything that is wrong; empty if nothing is.
    std::vector<std::string> audit(weft::testing::environment& env) const;

    // For tests that must remember something across crashes.
    std::map<std::string, int> notes;

private:
    using mark_key = std::tuple<std::string, std::string, weft::operation>;
    struct mark
    {
        weft::operation by;
        std::int64_t    result;
    };

    static std::optional<weft::operation> origin_of(weft::operation op) noexcept;
    static mark_key                       key(weft::branch const& where, weft::operation op) { return {where.gid, where.id, op}; }
    void                                  receive(weft::branch const& where);
    std::int64_t& account(std::string const& name) { return accounts_.try_emplace(name, opening_balance).first->second; }

    weft::store*                                                      store_ = nullptr;
    std::map<mark_key, mark>                                          marks_;
    std::map<std::string, std::int64_t>                               accounts_;
    std::map<std::tuple<std::string, std::string, unsigned>, request> prepared_;
    std::set<std::tuple<std::string, std::string, unsigned>>          committed_;
    std::int64_t                                                      reserved_ = 0, spent_ = 0;
    std::vector<effect>                                               ledger_;
    std::map<std::string, std::vector<std::string>>                   undone_;  // gid → branches, in order of first arrival
    std::vector<std::string>                                          violations_;
};

// --- operations: ordinary functions of the bank
std::int64_t take(weft::branch const& where, bank& b, request const& r);
void         give_back(weft::branch const& where, bank& b, request const& r);
std::int64_t reserve(weft::branch const& where, bank& b, request const& r);
void         confirm(weft::branch const& where, bank& b, request const& r);
void         release(weft::branch const& where, bank& b, request const& r);
std::int64_t refuse(weft::branch const& where, bank& b, request const& r);

// A resource for wf.xa, kept in memory.
class vault
{
public:
    explicit vault(bank& b) noexcept : bank_(&b) { }

    template <weft::outcome (bank::*Finish)(weft::branch const&)>
    class finisher
    {
    public:
        using weft_operation = void;
        template <class... Args>
        using result = void;

        explicit finisher(bank& b) noexcept : bank_(&b) { }
        template <class... Args>
        void start(weft::operation_call call, Args const&...) const
        {
            auto o = (bank_->*Finish)(call.where());
            std::move(call).answer(std::move(o));
        }

    private:
        bank* bank_;
    };

    template <class F>
    class preparer
    {
    public:
        using weft_operation = void;
        template <class... Args>
        using result = std::int64_t;

        preparer(bank& b, F f) noexcept : bank_(&b), f_(f) { }
        template <class... Args>
        void start(weft::operation_call call, Args const&... args) const
        {
            auto o = bank_->prepare(call.where(), f_(args...));
            std::move(call).answer(std::move(o));
        }

    private:
        bank* bank_;
        F     f_;
    };

    template <class F>
    auto xa_action(F f) const
    {
        return preparer<F>(*bank_, f);
    }
    auto xa_commit() const { return finisher<&bank::commit>(*bank_); }
    auto xa_rollback() const { return finisher<&bank::roll_back>(*bank_); }

private:
    bank* bank_;
};

}  // namespace simulation
