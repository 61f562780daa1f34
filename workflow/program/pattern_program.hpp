// A transaction of one of dtm's modes as a program: its pattern says what may be done next; this remembers what is under way, what was
// learnt and is not durable yet, and how long to wait.
//
// Operations may be under way side by side. What was learnt is durable before anything that follows from it is sent (I1, I3): while there
// is something to record, nothing is sent. Slot 0 is the question at query_prepared, slot n + 1 the operation n of the row.
#pragma once

#include "workflow/patterns/pattern.hpp"
#include "workflow/program/transaction_program.hpp"

#include <utility>

namespace weft {
inline namespace v0 {
namespace detail {

class pattern_program final : public transaction_program
{
public:
    // `row` is leased, comes with its operations and outlives this, as the defaults do. It is changed as things are learnt.
    pattern_program(transaction& row, pattern_settings const& defaults, std::uint32_t attempt_limit)
        : row_(row)
        , defaults_(defaults)
        , attempt_limit_(attempt_limit)
    { }

    void        on(event&& e, plan& to) override;
    void        record(write& to) override;
    status      stands_at() const noexcept override { return undecided_ ? undecided_->first : row_.status; }
    branch      branch_of(slot s, std::chrono::system_clock::time_point now) const override;
    remote_send remote_of(slot s) const override;

private:
    static constexpr slot question = 0;

    // An operation as far as this attempt knows it.
    struct known_operation
    {
        bool under_way = false;
        bool later = false;  // it has to be asked again, in another attempt
        bool sent = false;   // by this attempt, at least once
    };

    // What it waits for before it goes on.
    enum class waiting : std::uint8_t
    {
        unbegun,
        nothing,
        write,
        reread
    };

    bool                                  may_come(event const& e) const noexcept;
    void                                  handle(event& e);
    void                                  begin();
    bool                                  take();
    void                                  warn_of_headers();
    void                                  advance();
    bool                                  next(std::vector<std::size_t>& sendable, bool& ask);
    void                                  send(slot s);
    void                                  came_back(slot s);
    void                                  answered(event& e);
    void                                  operation_answered(std::size_t at, outcome o);
    void                                  question_answered(outcome o);
    void                                  unknown(slot of, std::string const& what, std::string const& url, outcome const& o);
    void                                  decide(next_step& step);
    void                                  forget_what_was_before();
    void                                  durable();
    void                                  not_written(std::string const& why);
    void                                  reread(transaction& row);
    bool                                  may_ask() const noexcept { return !known_[question].under_way && !known_[question].later; }
    bool                                  can_ask();
    bool                                  branch_under_way(std::string const& branch_id) const;
    void                                  park(bool keep_attempts = false);
    void                                  count_errors();
    std::chrono::milliseconds             due_in(bool waits) const;
    void                                  postpone();
    void                                  pause(std::string reason);
    void                                  note(plan::note::level how, std::string text) { plan_->notes.push_back({how, std::move(text)}); }
    std::chrono::system_clock::time_point now() const;

    transaction&            row_;
    pattern_settings const& defaults_;
    std::uint32_t const     attempt_limit_;

    pattern                      next_ = nullptr;
    pattern_settings             settings_;
    std::vector<known_operation> known_;  // the question, and row_.ops
    std::size_t                  under_way_ = 0;
    waiting                      waits_ = waiting::unbegun;
    bool                         stopping_ = false;

    record_write                                         record_;     // not yet durable
    std::optional<std::pair<status, std::string>>        undecided_;  // status and reason, until a decision is durable
    std::optional<std::chrono::system_clock::time_point> not_before_;

    // What this attempt has met.
    struct met
    {
        std::string               failure;     // why an operation failed, until that is recorded with what follows
        std::string               failed_url;  // what was asked when it ended in an error
        std::chrono::milliseconds interval{0};
        unsigned                  unanswered = 0;  // attempts that ended in an error, in a row; with a retry_limit, sends of actions
                                                   // without a result
        unsigned said = 0;                         // lines of the log about what had no result
        bool     counted = false;                  // it was counted send by send
        bool     errors = false;
        bool     progress = false;
    } met_;

    // The store's time when the row was read, and when that was here.
    std::chrono::nanoseconds loaded_{0};
    std::chrono::nanoseconds since_boot_{0};
    plan*                    plan_ = nullptr;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
