// Group commit: the writes of all attempts, applied as one database transaction at a time. Attempts add writes and get answers on the
// engine's strand; batches are taken and applied where the store's blocking calls run.
#pragma once

#include <weft/errors.hpp>
#include <weft/store.hpp>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <vector>

namespace weft {
inline namespace v0 {

namespace detail {
class engine_core;
}

// Whoever waits for a write. Kept alive until it has its answer.
class write_sink : public boost::intrusive_ref_counter<write_sink, boost::thread_unsafe_counter>
{
public:
    virtual ~write_sink() = default;

    // The write is durable, or refused; on the engine's strand.
    virtual void on_written(write_result const&, write&) = 0;

    // The store has been unreachable for a while; the write is still being tried.
    virtual void on_store_trouble(store_error const&) { }

    // The engine has stopped before the write was known to be durable.
    virtual void on_stopped() { }
};

class committer
{
public:
    explicit committer(detail::engine_core& engine) : engine_(engine) { }

    // Queues a write. It goes with the next batch; the batch goes as soon as the one before it is durable.
    void add(write w, boost::intrusive_ptr<write_sink> sink);

    // True while anything is queued or under way.
    bool busy() const noexcept { return !sinks_.empty(); }

    // The engine stops: forgets what is queued, and tells whoever waits.
    void stop();

private:
    struct batch
    {
        std::vector<write>        writes;
        std::vector<write_result> results;
    };

    // On the strand.
    void start();
    void applied(batch done);
    void failed(std::exception_ptr error);

    // Where the store's blocking calls run. One batch leads to the next there: the strand may have much to do in between.
    void take();
    void apply(bool repeated);

    detail::engine_core&                         engine_;
    std::deque<boost::intrusive_ptr<write_sink>> sinks_;  // in the order of the writes
    bool                                         kicked_ = false;
    bool                                         stopped_ = false;
    unsigned                                     failures_ = 0;
    class retry_timer;
    std::shared_ptr<retry_timer> retry_;

    std::mutex         mutex_;  // of these two
    std::vector<write> waiting_;
    bool               working_ = false;  // a batch is under way, or waits to be tried again
    std::vector<write> under_way_;        // the store's side has it while working_; while it waits to be tried again, nobody
};

}  // namespace v0
}  // namespace weft
