// One try at a transaction of one of dtm's patterns: asks the pattern what may be done next, does it, and records how that ended.
//
// Operations may be under way side by side; writing goes on one at a time. What was learnt is durable before anything that follows from it is
// sent (I1, I3): while there is something to record, nothing is sent.
#pragma once

#include "workflow/attempt.hpp"
#include "workflow/patterns/pattern.hpp"

#include <weft/remote.hpp>

namespace weft {
inline namespace v0 {
namespace detail {

class pattern_attempt final : public attempt
{
public:
    using attempt::attempt;
    ~pattern_attempt() override { abandon(); }

    // Starts (once). `row` is leased to this engine and comes with its operations.
    void begin(transaction row);

    void go_on() override;
    void cancel_requested() override { }  // it is decided instead
    void decided_for() override;
    void stop() override;
    void abandon() noexcept override;
    void on_answer(class send& of, outcome o, bool permanent) override;

private:
    // An operation as far as this attempt knows it.
    struct operation_state
    {
        boost::intrusive_ptr<class send> sent;           // until it has returned
        bool                             later = false;  // it has to be asked again, in another attempt
        bool                             sent_here = false;
    };

    void on_written(write_result const&, write&) override;
    void on_timer() override { }

    bool                                  take(transaction row);
    void                                  warn_of_headers() const;
    void                                  advance();
    void                                  decide(next_step& step);
    void                                  forget_what_was_before();
    void                                  send_operation(std::size_t at);
    void                                  send_question();
    void                                  send(operation_state& of, branch where, remote_operation operation);
    void                                  answered(std::size_t at, outcome o);
    void                                  question_answered(outcome o);
    void                                  unknown(std::string const& what, std::string const& url, outcome const& o);
    bool                                  branch_under_way(std::string const& branch_id) const;
    std::size_t                           under_way() const noexcept;
    void                                  record();
    void                                  park(bool keep_attempts = false);
    void                                  postpone();
    void                                  pause(std::string reason);
    void                                  reload();
    std::chrono::system_clock::time_point now() const;

    pattern                                              next_ = nullptr;
    pattern_settings                                     settings_;
    std::vector<operation_state>                         states_;     // of row_->ops
    operation_state                                      question_;   // at query_prepared
    std::chrono::nanoseconds                             loaded_{0};  // since boot, when row_->seen was the store's time
    record_write                                         record_;     // not yet durable
    std::optional<std::pair<status, std::string>>        undecided_;  // status and reason, until a decision is durable
    park_write                                           parking_;
    std::string                                          failure_;     // why an operation failed, until that is recorded with what follows
    std::string                                          failed_url_;  // what was asked when it ended in an error
    std::optional<std::chrono::system_clock::time_point> not_before_;
    std::chrono::milliseconds                            interval_{0};
    unsigned                                             unanswered_ = 0;  // attempts that ended in an error, in a row; with a
                                                                           // retry_limit, sends of actions without a result
    unsigned said_ = 0;                                                    // lines of the log about what had no result
    bool     counted_ = false;                                             // it was counted send by send
    bool     errors_ = false, progress_ = false;
    bool     writing_ = false, reading_ = false, read_again_ = false;
    bool     stopping_ = false, held_ = false, ended_ = false;
};

}  // namespace detail
}  // namespace v0
}  // namespace weft
