// Group commit: the writes of all attempts, applied as one database transaction at a time. All on the engine's strand, but for
// store::apply itself, which runs where the store's blocking calls run.
#pragma once

#include <weft/errors.hpp>
#include <weft/store.hpp>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>
#include <exception>
#include <memory>
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
    bool busy() const noexcept { return applying_ || !waiting_.writes.empty(); }

    // The engine stops: forgets what is queued, and tells whoever waits.
    void stop();

private:
    struct batch
    {
        std::vector<write>                            writes;
        std::vector<boost::intrusive_ptr<write_sink>> sinks;
        std::vector<write_result>                     results;
    };

    void kick();
    void apply(bool repeated);
    void applied(std::exception_ptr error);

    detail::engine_core& engine_;
    batch                waiting_;
    batch                under_way_;
    bool                 kicked_ = false;
    bool                 applying_ = false;
    unsigned             failures_ = 0;
    class retry_timer;
    std::shared_ptr<retry_timer> retry_;
};

}  // namespace v0
}  // namespace weft
