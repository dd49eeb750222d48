class A
  def x
    1
  def y
    1
class B
  def y
    1
