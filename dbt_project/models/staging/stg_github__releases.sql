{{ milestones_as_releases('raw_github') }}
