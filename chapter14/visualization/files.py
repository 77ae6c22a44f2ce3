"""What is raised where a picture, a film or a page could not be written, for those who draw from Python."""

from ..files import NotWritten as NotWritten
from ..files import check as check
from ..files import whole as whole
