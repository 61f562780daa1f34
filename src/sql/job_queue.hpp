// Jobs on their way to the thread that does them.
#pragma once

#include <weft/detail/sql_job.hpp>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace weft {
inline namespace v0 {
namespace detail {

/// Thread safety: any thread.
template <class Job>
class queue_of
{
public:
    using job = std::unique_ptr<Job>;

    /// Null if the job was taken in, else the job: the queue is closed.
    job add(job j)
    {
        {
            std::lock_guard lock(mutex_);
            if (closed_)
                return j;
            waiting_.push_back(std::move(j));
        }
        filled_.notify_one();
        return nullptr;
    }

    /// What waits, in order, at most `limit`; a job that is to be alone comes alone. Blocks until there is something.
    /// Empty: closed, and everything was taken.
    std::vector<job> take(std::size_t limit)
    {
        std::unique_lock lock(mutex_);
        filled_.wait(lock, [&] { return closed_ || !waiting_.empty(); });
        std::vector<job> taken;
        while (!waiting_.empty() && taken.size() < limit)
        {
            bool const alone = waiting_.front()->alone();
            if (alone && !taken.empty())
                break;
            taken.push_back(std::move(waiting_.front()));
            waiting_.pop_front();
            if (alone)
                break;
        }
        return taken;
    }

    bool empty() const
    {
        std::lock_guard lock(mutex_);
        return waiting_.empty();
    }

    /// Nothing new is taken in; what waits can still be taken out.
    void close()
    {
        {
            std::lock_guard lock(mutex_);
            closed_ = true;
        }
        filled_.notify_all();
    }

private:
    mutable std::mutex      mutex_;
    std::condition_variable filled_;
    std::deque<job>         waiting_;
    bool                    closed_ = false;
};

using job_queue = queue_of<sql_job>;

}  // namespace detail
}  // namespace v0
}  // namespace weft
