// Group commit: the writes of all attempts and callers, applied as one database transaction at a time. They are added, and hear what
// became of them, on the engine's strand; batches are taken and applied where the store's blocking calls run.
//
// While the store does as it is told, one batch leads to the next without the strand. Once one has failed, the strand says what is tried
// next: the batch again, after a while; its halves, if it fails although the store is well otherwise; and so on down to the write that
// fails by itself. That one is refused, or, if it may yet succeed, or may have succeeded, waits aside and is tried alone now and then.
#pragma once

#include "workflow/runtime/context.hpp"

#include <weft/errors.hpp>
#include <weft/store.hpp>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace weft {
inline namespace v0 {

// Whoever waits for a write. Kept alive until it has its answer.
class write_sink : public boost::intrusive_ref_counter<write_sink, boost::thread_unsafe_counter>
{
public:
    virtual ~write_sink() = default;

    // The write is durable, or refused; on the engine's strand.
    virtual void on_written(write_result const&, write&) = 0;

    // A caller's write may be taken back, and its caller told. What an attempt has to write waits for as long as it takes.
    virtual bool is_callers() const noexcept { return false; }

    // Of a caller's: it does not become durable for now. `not_written`: it has been taken back, and nothing more is heard of it.
    // Else it is still tried, and `on_written` may follow.
    virtual void on_trouble(store_error const&) { }

    // Of a caller's: it will never be applied, and hears so in a moment. Those that are told at once are all taken back first.
    virtual void taken_back() { }

    // Of a caller's: the engine has stopped. Nothing more is heard of it.
    virtual void on_stopped(known) { }
};

// What the committer has to know of its engine, and tells it.
class committer_host
{
public:
    // Nothing is queued or under way any more.
    virtual void committer_idle() = 0;

    // When the store was last seen well by somebody else.
    virtual std::chrono::nanoseconds last_beat() const noexcept = 0;

protected:
    ~committer_host() = default;
};

class committer
{
public:
    committer(detail::engine_context& e, committer_host& host);
    ~committer();

    // Queues a write. It goes with the next batch; the batch goes as soon as the one before it is durable.
    void add(write&& w, boost::intrusive_ptr<write_sink> sink);

    // Takes a caller's write back: `not_written`, and it will never be applied. Else it is too late for that: `on_written` may follow.
    known withdraw(write_sink const& of);

    // True while anything is queued or under way.
    bool busy() const noexcept { return queued_ > 0; }

    // The engine stops: forgets what is queued, and tells whoever waits.
    void stop();

private:
    using sink_ptr = boost::intrusive_ptr<write_sink>;

    struct batch
    {
        std::vector<write>        writes;
        std::vector<sink_ptr>     sinks;  // as many; touched on the strand only
        std::vector<write_result> results;

        // What became of it so far
        bool                     in_doubt = false;     // a try of it may have been applied
        unsigned                 failures = 0;         // since it has been as small as it is
        bool                     suspect = false;      // it has failed again although the store was well in between
        bool                     sure = false;         // … so it did the last time
        bool                     rejected = false;     // its last try, for certain
        bool                     unreachable = false;  // the store, at its last try
        bool                     others_went = false;  // since its last failure
        std::chrono::nanoseconds failed{0};            // when, the last time

        bool empty() const noexcept { return writes.empty(); }
        void add(write&& w, sink_ptr&& sink);
        void move_to(batch& other, std::size_t i) { other.add(std::move(writes[i]), std::move(sinks[i])); }
        void take_history_of(batch const& other);
    };

    // A write that fails alone, and what came after it for the same transaction.
    struct line
    {
        batch                    first;
        batch                    behind;
        std::string              gid;  // empty: of none that could have anything behind it
        std::chrono::nanoseconds since{0};
        std::chrono::nanoseconds others_well{0};  // since when nothing but this has failed
        bool                     others_went = false;
    };

    struct told
    {
        sink_ptr sink;
        known    what;
        bool     taken_back;
    };

    // On the strand.
    void                     start();
    void                     hold();
    void                     next();
    void                     go(batch b, bool alone);
    void                     take_around();
    void                     applied(batch done, bool alone);
    void                     failed(batch b, std::exception_ptr const& error, bool alone);
    void                     failed_alone(batch b, store_error const& seen, bool rejected_again);
    void                     isolate(batch b);
    void                     aside(batch b);
    void                     refuse(batch b, store_error const& why);
    static bool              of_one_transaction(batch const& b);
    bool                     well_since(batch const& b) const;
    std::vector<std::string> doubtful() const;
    static void              take_back(batch& from, std::vector<std::string> const& gids, std::vector<told>& into);
    void                     tell(std::vector<told> const& whom, store_error const& why);
    void                     forget_withdrawn();
    void                     went(std::size_t n);

    // Where the store's blocking calls run. One batch leads to the next there: the strand may have much to do in between.
    void take();
    void apply(bool alone);

    // What has failed in a row, but for what waits aside.
    struct failures
    {
        unsigned                 times = 0;
        unsigned                 fruitless = 0;  // … since the last rest
        std::chrono::nanoseconds since{0};       // the first of them
        bool                     told = false;
    };

    detail::engine_context& engine_;
    committer_host&         host_;
    std::size_t             queued_ = 0;
    bool                    kicked_ = false;
    bool                    stopped_ = false;
    failures                failed_;
    std::deque<batch>       parts_;  // what has failed, and waits to be tried again
    std::deque<line>        aside_;
    bool                    aside_due_ = false;
    unsigned                aside_failures_ = 0;
    std::deque<batch>       gone_;  // after the stop
    call_timer              retry_, aside_retry_;

    std::mutex  mutex_;  // of these
    batch       waiting_;
    std::size_t withdrawn_ = 0;    // of what waits
    bool        working_ = false;  // a batch is under way, or waits to be tried again
    bool        held_ = false;     // the strand says what is next
    batch       under_way_;        // the store's side has it
};

}  // namespace v0
}  // namespace weft
