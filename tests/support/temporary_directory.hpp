// A directory that goes with the test.
#pragma once

#include <filesystem>
#include <stdexcept>
#include <stdlib.h>
#include <string>

class temporary_directory
{
public:
    explicit temporary_directory(std::filesystem::path const& under = std::filesystem::temp_directory_path())
    {
        auto pattern = (under / "weft-XXXXXX").string();
        if (!::mkdtemp(pattern.data()))
            throw std::runtime_error("cannot make a temporary directory");
        path_ = pattern;
    }
    ~temporary_directory()
    {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    temporary_directory(temporary_directory const&) = delete;
    temporary_directory& operator=(temporary_directory const&) = delete;

    std::filesystem::path const& path() const { return path_; }
    std::string                  file(std::string const& name) const { return (path_ / name).string(); }
    std::string                  url(std::string const& name) const { return "sqlite://" + file(name); }

private:
    std::filesystem::path path_;
};
